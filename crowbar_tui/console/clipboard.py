"""The clipboard of the user's own machine, also over SSH: OSC 52. Pure.

A terminal answers nothing, so nobody knows whether it took the text. What is known of terminals by name stands here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from .styled import clean

MOST = 8192
"""Octets of a text. Terminals take at least as much: xterm 1 MB, tmux 1 MB, others from 8 kB on (hterm, older kitty)."""
NONE = ("linux", "dumb", "vt100", "vt102", "vt220", "ansi", "cons25")
"""TERM of terminals without a clipboard."""
KNOWN = ("xterm-kitty", "xterm-ghostty", "alacritty", "wezterm", "foot", "foot-extra", "contour", "rio")
PROGRAMS = ("iTerm.app", "WezTerm", "ghostty", "vscode", "mintty", "rio")
"""TERM and TERM_PROGRAM of those that take it as they are shipped."""


def refusal(text: str, environment: Mapping[str, str]) -> str:
    """Why the text cannot be copied, in a sentence. Empty: it can be tried."""
    if environment.get("TERM", "") in NONE:
        return "this terminal has no clipboard"
    many = len(text.encode("utf-8", "replace"))
    return f"{many} octets are too much for the clipboard of a terminal: at most {MOST}" if many > MOST else ""


def doubt(environment: Mapping[str, str]) -> str:
    """Why the terminal may not have taken it, in words. Empty: this one does."""
    if environment.get("TMUX") or environment.get("TERM", "").startswith("tmux"):
        return "tmux passes it on only with `set -g set-clipboard on`"
    if environment.get("STY") or environment.get("TERM", "").startswith("screen"):
        return "screen does not pass it on"
    if environment.get("TERM", "") in KNOWN or environment.get("TERM_PROGRAM", "") in PROGRAMS:
        return ""
    return "some terminals ignore it: if so, select it with the mouse"


def sequence(text: str) -> str:
    """What the terminal gets. The text has no control characters but ends of lines, and is Base64: it cannot end the sequence."""
    lines = "\n".join(clean(one) for one in text.split("\n"))
    return f"\x1b]52;c;{base64.b64encode(lines.encode()).decode()}\x07"
