"""Inks to styles. Four themes; the screens know inks only.

| ink      | is for                                             |
|----------|----------------------------------------------------|
| (empty)  | text                                               |
| dim      | what is there to be found, not to be read: rules, units, ages of quiet things |
| head     | column heads                                       |
| name     | what a row is called                               |
| good     | ready, right: quiet                                |
| busy     | it works                                           |
| ask      | the one accent: wants a human                      |
| bad      | problem, error                                     |
| key      | a key to press                                     |

State is always told by word and mark as well: `mono` shows that it is enough.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.style import Style

INKS = ("", "dim", "head", "name", "good", "busy", "ask", "bad", "key")

_BAR = {"default": "on #2b3540", "contrast": "on #00408f", "ansi16": "on blue", "mono": "reverse"}

_TABLE: dict[str, dict[str, str]] = {
    # Colours of the terminal's own background are left alone; on it, mid greys and muted hues read well, light or dark.
    "default": {
        "": "", "dim": "#7b8794", "head": "#7b8794", "name": "bold", "good": "#7fae86", "busy": "#6ca6d9",
        "ask": "bold #e0a030", "bad": "bold #e5604d", "key": "#c8b48a",
    },
    "contrast": {
        "": "bright_white", "dim": "white", "head": "bold white underline", "name": "bold bright_white", "good": "bold bright_green",
        "busy": "bold bright_cyan", "ask": "bold black on bright_yellow", "bad": "bold bright_white on red", "key": "bold bright_yellow",
    },
    "ansi16": {
        "": "", "dim": "bright_black", "head": "bright_black", "name": "bold", "good": "green", "busy": "cyan", "ask": "bold yellow",
        "bad": "bold red", "key": "yellow",
    },
    "mono": {
        "": "", "dim": "", "head": "underline", "name": "bold", "good": "", "busy": "", "ask": "bold", "bad": "bold underline",
        "key": "bold",
    },
}  # fmt: skip
_ON_BAR = {
    # On the bar, greys would drown.
    "ansi16": {
        "dim": "white", "head": "white", "": "bright_white", "busy": "bright_cyan", "good": "bright_green",
        "ask": "bold bright_yellow", "bad": "bold bright_red", "name": "bold bright_white", "key": "bright_yellow",
    },
    "default": {"dim": "#a3afbb", "head": "#a3afbb"},
    "contrast": {"ask": "bold bright_yellow", "bad": "bold bright_white on red", "dim": "bright_white"},
    "mono": {},
}  # fmt: skip

NAMES = tuple(_TABLE)


def styles(theme: str) -> dict[str, Style]:
    """Ink, and ink on the cursor's bar (`ink+`), to style."""
    table, on_bar, bar = _TABLE[theme], _ON_BAR[theme], _BAR[theme]
    out = {ink: Style.parse(text) if text else Style.null() for ink, text in table.items()}
    for ink, text in table.items():
        told = on_bar.get(ink, text)
        under = "" if " on " in f" {told}" else bar
        out[f"{ink}+"] = Style.parse(f"{told} {under}".strip())
    return out


def fitting(environment: Mapping[str, str] | None = None) -> str:
    """The theme for this terminal: NO_COLOR is mono; a Linux console and other terminals of 16 colours, ansi16."""
    env = os.environ if environment is None else environment
    asked = env.get("CROWBAR_THEME", "")
    if asked in NAMES:
        return asked
    if env.get("NO_COLOR"):
        return "mono"
    term = env.get("TERM", "")
    if env.get("COLORTERM", "") in ("truecolor", "24bit") or "256color" in term or term in ("xterm-kitty", "alacritty"):
        return "default"
    return "mono" if term.startswith("vt") or term == "dumb" else "ansi16"
