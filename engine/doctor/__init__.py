"""Checks whether this admin node can serve a rack."""
