"""Prints `docs/reasons.md`."""

from . import as_markdown

print(as_markdown(), end="")
