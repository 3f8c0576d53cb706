"""The Unix socket between an engine and the consoles and commands of other processes: messages, client and server."""
