"""Switches: what their ports are, what they must become, and the command lines of their vendors.

`table` has the records, `differ` compares have and want, `dialects` has a pure reader and writer for each vendor, and `session` is the
SSH session (netmiko). `python -m engine.switches` is what the roles of the barclamp `switch` run.
"""
