"""The running engine: loop, inbox, runner, and the code that connects everything."""
