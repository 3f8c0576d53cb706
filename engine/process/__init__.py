"""The process that an engine runs in: what it may do, and whether the system gives it room. Loads nothing else of the engine."""
