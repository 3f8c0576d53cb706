"""Chassis that hold several machines: which machine is in which slot. `python -m engine.chassis` is the delegate; it only reads."""
