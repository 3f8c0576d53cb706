"""The Unix socket between an engine and the consoles and commands of other processes: words, either end, and what the engine answers."""
