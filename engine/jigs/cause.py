"""Finds the line of a task's log that says why it failed, for `reasons.script_failed`. Pure.

A person reads it in one line of a table at the rack. So it is one line of at most 160 characters, without control sequences.

Rules, the first match wins:
* A Python traceback: the first line after it that is not indented (`ValueError: ...`). Of chained ones the last, because that one ended
  the program.
* The first line that complains (`error`, `failed`, `cannot`, `no such`, ... as words). The first, because later ones tend to be its
  consequences. Lines that report success (`0 errors`, `no error`) or that a shell traces (`+ ...`) do not complain.
* The last line that is not blank.
* What the exit code tells: signal, not executable, not found.

Trap: the tail of a log may begin in the middle of a line. `cut=True` says so and drops that line. Colour codes and the carriage returns
of progress bars are removed first.
"""

from __future__ import annotations

import re

MAX_LINE = 160

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI, ECMA-48 section 5.4
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC, section 5.6
    r"|\x1b[ -/]*[0-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")
_COMPLAINT = re.compile(
    r"(?<![\w-])(?:errors?|err|e|fatal|fail(?:ed|ure|s)?|panic|critical|cannot|can't|could not|couldn't|unable to|denied|refused|"
    r"no such|not found|not permitted|invalid|unknown option|unrecognized|timed out|timeout|no space left|read-only file system|"
    r"bad interpreter|aborted|segmentation fault|out of memory|unsupported|must be|missing)(?!-?\w)",
    re.IGNORECASE,
)
_WELL = re.compile(
    r"\b(?:0|no|without|zero) (?:errors?|failures?|failed)\b|\berrors?[:=] ?0\b|\b(?:failed|failures?|errors?)[=:] ?0\b"
    r"|^\s*(?:debug|info)\b",
    re.IGNORECASE,
)
_TRACE = re.compile(r"^\++ ")
_TRACEBACK = "Traceback (most recent call last):"


def clean(text: str) -> str:
    """The text without escape sequences, control and direction characters, safe for a terminal. Tabs become spaces."""
    return _CONTROL.sub("", _ESCAPES.sub("", text)).replace("\t", " ").replace("\n", " ")


def shorten(text: str, limit: int = MAX_LINE) -> str:
    """At most `limit` characters of the text."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def lines_of(log: str, cut: bool = False) -> list[str]:
    """The lines of the log, cleaned and right-stripped. A line that carriage returns overwrote has its last state."""
    raw = log.replace("\r\n", "\n").split("\n")
    if cut and len(raw) > 1:
        raw = raw[1:]
    return [clean(line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in raw]


def first_cause(log: str, exit_code: int, cut: bool = False) -> str:
    """The line of `log` that explains best why the task ended with `exit_code`. Never empty."""
    lines = [line for line in lines_of(log, cut) if line.strip()]
    line = _after_traceback(lines) or _complaint(lines) or (lines[-1] if lines else "")
    return shorten(line.strip()) if line.strip() else of_exit(exit_code)


def of_exit(exit_code: int) -> str:
    """The meaning of the exit code alone (POSIX shell, section 2.8.2)."""
    if exit_code == 126:
        return "the system could not execute it, and it wrote nothing"
    if exit_code == 127:
        return "command not found, and it wrote nothing"
    if 128 < exit_code < 192:
        return f"signal {exit_code - 128} ended it, and it wrote nothing"
    if exit_code < 0:
        return f"signal {-exit_code} ended it, and it wrote nothing"
    return "it wrote nothing"


def _after_traceback(lines: list[str]) -> str:
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].strip() == _TRACEBACK:
            indent = len(lines[at]) - len(lines[at].lstrip())
            for line in lines[at + 1 :]:
                if len(line) - len(line.lstrip()) <= indent:
                    return line
    return ""


def _complaint(lines: list[str]) -> str:
    for line in lines:
        if _COMPLAINT.search(line) and not _WELL.search(line) and not _TRACE.match(line):
            return line
    return ""
