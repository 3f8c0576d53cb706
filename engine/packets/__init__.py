"""The last packets of each machine: kept unchanged, decoded in a separate process, written as a capture file."""
