"""A real terminal without eyes: tmux with one window of 80x24. Keys in, screen out; waits for words, never for time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing")
ROOT = Path(__file__).parents[2]
CROWBAR = Path(sys.executable).with_name("crowbar")
"""Of the environment that runs the tests, which `make newest` has in another folder."""


class Terminal:
    """A shell in tmux, as on a Linux console unless `term` says otherwise."""

    def __init__(self, folder: Path, term: str = "linux", columns: int = 80, rows: int = 24) -> None:
        self._socket = str(folder / "t")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "a", "-x", str(columns), "-y", str(rows), "env", f"TERM={term}", "sh")
        self.type("PS1='$ '; LANG=C.UTF-8; export LANG; unset NO_COLOR COLORTERM LC_ALL; clear", "Enter")
        self.wait(lambda text: text.startswith("$ ") or text.strip() == "$")

    def _tmux(self, *words: str, check: bool = True) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TMUX")}
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=check, env=environment, timeout=60
        )
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        if text:
            self._tmux("send-keys", "-t", "a", "-l", text)
        if keys:
            self._tmux("send-keys", "-t", "a", *keys)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", "-t", "a", key)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "a")

    def wait(self, seen, seconds: float = 60.0) -> str:
        """Until `seen(screen)`, or these words, are there; the screen then."""
        test = seen if callable(seen) else lambda text: seen in text
        end = time.monotonic() + seconds
        while True:
            text = self.screen()
            if test(text):
                return text
            if time.monotonic() > end:
                raise AssertionError(f"it did not come: {seen}\n{text}")
            time.sleep(0.05)

    def flag(self, name: str) -> str:
        """A variable of tmux about the pane: `alternate_on`, `mouse_any_flag`, `cursor_flag`."""
        return self._tmux("display-message", "-p", "-t", "a", f"#{{{name}}}").strip()

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-t", "a", "-x", str(columns), "-y", str(rows))

    def close(self) -> None:
        """The terminal goes away: SIGHUP to whatever is in it."""
        self._tmux("kill-server", check=False)


def children(pid: int) -> list[int]:
    out = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", number, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        if int(words[1]) == pid:
            out.append(int(number))
    return out


def cpu(pid: int) -> float:
    """Seconds of processor time that it has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(seen, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
