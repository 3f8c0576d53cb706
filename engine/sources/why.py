"""Finds the line of a build's output that says why it failed. Pure."""

from __future__ import annotations

import re

_FRAME = re.compile(r"^[\s│╰╭─>×|]+|\s+$")
_COMPLAINT = re.compile(r"\b(\w*Error|error|fatal|No matching distribution|No module named|not found|No such file|cannot|failed)\b")
_EMPTY = re.compile(
    r"subprocess-exited-with-error|did not run successfully|metadata-generation-failed|Failed (building|to build)|from a subprocess"
    r"|This error originates|^(note|hint|Traceback)|exit code|^source: |See above|output\]"
)
"""What pip says around the cause."""
MAX_LINE = 150


def why(log: str) -> str:
    """The last complaint of the output that is not pip's own frame, on one line. Empty: there is none."""
    lines = [_FRAME.sub("", line) for line in log.splitlines()]
    found = [line for line in lines if line and _COMPLAINT.search(line) and not _EMPTY.search(line)]
    line = found[-1] if found else next((line for line in reversed(lines) if line), "")
    return "".join(char if char.isprintable() else " " for char in line)[:MAX_LINE]
