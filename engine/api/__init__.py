"""The only door to the engine for the console and the command line: `control` acts, `views` shows."""
