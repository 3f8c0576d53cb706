"""Which line of a log says why a task failed: a table of real tools' output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jigs.cause import MAX_LINE, clean, first_cause

TABLE: list[tuple[str, int, str]] = [
    ("", 3, "it wrote nothing"),
    ("\n \n\t\n", 127, "command not found, and it wrote nothing"),
    ("", 126, "the system could not execute it, and it wrote nothing"),
    ("", 137, "signal 9 ended it, and it wrote nothing"),
    ("", -11, "signal 11 ended it, and it wrote nothing"),
    ("one\ntwo\nthree\n", 3, "three"),
    ("./run: 3: mkfs.ext5: not found\nmount: /mnt: special device does not exist\n", 1, "./run: 3: mkfs.ext5: not found"),
    (
        "Reading package lists...\nE: Unable to locate package ntpq\nE: Unable to fetch some archives\n",
        100,
        "E: Unable to locate package ntpq",
    ),
    (
        "mdadm: Defaulting to version 1.2 metadata\nmdadm: cannot open /dev/sdc: Device or resource busy\ndone\n",
        1,
        "mdadm: cannot open /dev/sdc: Device or resource busy",
    ),
    ("curl: (22) The requested URL returned error: 404\n", 22, "curl: (22) The requested URL returned error: 404"),
    (
        "Traceback (most recent call last):\n  File \"run\", line 3, in <module>\n    f()\nKeyError: 'disks'\ncleaning up\n",
        1,
        "KeyError: 'disks'",
    ),
    (
        "Traceback (most recent call last):\n  File x\nOSError: [Errno 5] Input/output error\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File y\nRuntimeError: cannot write the table\n",
        1,
        "RuntimeError: cannot write the table",
    ),
    ("Traceback (most recent call last):\n  File x\n", 1, "File x"),
    ("scan: 0 errors\nfailed: 0\nno errors found\nlast words\n", 2, "last words"),
    ("+ grep -q error /var/log/x\n+ false\nended\n", 1, "ended"),
    ("perl-Error-0.17 installed\nerror-correction: on\nend of it\n", 1, "end of it"),
    ("10%\r50%\r100%\nwrite failed: No space left on device\n", 1, "write failed: No space left on device"),
    ("copying 10%\rcopying 50%\r", 1, "copying 50%"),
    ("\x1b[31mFATAL\x1b[0m: \x1b]0;title\x07disk sda is gone\n", 1, "FATAL: disk sda is gone"),
    ("StorCLI: Controller 0, status = Failure\nDescription = None\n", 4, "StorCLI: Controller 0, status = Failure"),
    ("INFO: error handling enabled\nntpd: timed out\n", 1, "ntpd: timed out"),
    ("sh: 1: Syntax error: end of file unexpected\n", 2, "sh: 1: Syntax error: end of file unexpected"),
    ("x" * 500 + " error\n", 1, "x" * (MAX_LINE - 1) + "…"),
    ("kernel: Out of memory: Killed process 77 (python3)\n", 137, "kernel: Out of memory: Killed process 77 (python3)"),
    ("line\r\nERROR: bad thing\r\nlast\r\n", 1, "ERROR: bad thing"),
]


@pytest.mark.parametrize(("log", "code", "line"), TABLE)
def test_table(log: str, code: int, line: str) -> None:
    assert first_cause(log, code) == line


def test_the_first_line_of_a_cut_log_is_no_line() -> None:
    assert first_cause("rror: half of it\nerror: whole\n", 1, cut=True) == "error: whole"
    assert first_cause("error: the only one", 1, cut=True) == "error: the only one"


@given(st.text(), st.integers(-64, 255), st.booleans())
def test_any_log_gives_one_safe_line(log: str, code: int, cut: bool) -> None:
    line = first_cause(log, code, cut)
    assert 0 < len(line) <= MAX_LINE
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]52;c;aGk=\x07", "\x1bP1$r\x1b\\", "\x9b31m", "\u202e", "a\rb"])
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e" for c in clean(text))
