"""A rehearsal: an engine and a virtual rack together, progress reports to the rack, and repairs while it runs."""
