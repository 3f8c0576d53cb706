"""Turns names of styles into colours. Four themes; the screens know only the names.

| style      | is for                                             |
|----------|----------------------------------------------------|
| (empty)  | text                                               |
| dim      | minor text: rules, units, ages of quiet things     |
| head     | column heads                                       |
| name     | the name of a row                                  |
| good     | ready, right: quiet                                |
| busy     | at work                                            |
| ask      | the one accent: waits for a person                 |
| bad      | problem, error                                     |
| key      | a key to press                                     |

A word and a mark always show the state too, so `mono` is enough.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.style import Style

STYLES = ("", "dim", "head", "name", "good", "busy", "ask", "bad", "key")

_BAR = {"default": "on #2b3540", "contrast": "on #00408f", "ansi16": "on blue", "mono": "reverse"}

_TABLE: dict[str, dict[str, str]] = {
    # The terminal keeps its own background colour. On it, mid greys and muted hues are readable, light or dark.
    "default": {
        "": "",
        "dim": "#7b8794",
        "head": "#7b8794",
        "name": "bold",
        "good": "#7fae86",
        "busy": "#6ca6d9",
        "ask": "bold #e0a030",
        "bad": "bold #e5604d",
        "key": "#c8b48a",
    },
    "contrast": {
        "": "bright_white",
        "dim": "white",
        "head": "bold white underline",
        "name": "bold bright_white",
        "good": "bold bright_green",
        "busy": "bold bright_cyan",
        "ask": "bold black on bright_yellow",
        "bad": "bold bright_white on red",
        "key": "bold bright_yellow",
    },
    "ansi16": {
        "": "",
        "dim": "bright_black",
        "head": "bright_black",
        "name": "bold",
        "good": "green",
        "busy": "cyan",
        "ask": "bold yellow",
        "bad": "bold red",
        "key": "yellow",
    },
    "mono": {
        "": "",
        "dim": "",
        "head": "underline",
        "name": "bold",
        "good": "",
        "busy": "",
        "ask": "bold",
        "bad": "bold underline",
        "key": "bold",
    },
}
_ON_BAR = {
    # On the bar, greys would be unreadable.
    "ansi16": {
        "dim": "white",
        "head": "white",
        "": "bright_white",
        "busy": "bright_cyan",
        "good": "bright_green",
        "ask": "bold bright_yellow",
        "bad": "bold bright_red",
        "name": "bold bright_white",
        "key": "bright_yellow",
    },
    "default": {"dim": "#a3afbb", "head": "#a3afbb"},
    "contrast": {"ask": "bold bright_yellow", "bad": "bold bright_white on red", "dim": "bright_white"},
    "mono": {},
}

NAMES = tuple(_TABLE)


def styles(theme: str) -> dict[str, Style]:
    """Name -> style for the terminal, and `name+` -> the same style on the cursor's bar."""
    table, on_bar, bar = _TABLE[theme], _ON_BAR[theme], _BAR[theme]
    out = {style: Style.parse(text) if text else Style.null() for style, text in table.items()}
    for style, text in table.items():
        told = on_bar.get(style, text)
        under = "" if " on " in f" {told}" else bar
        out[f"{style}+"] = Style.parse(f"{told} {under}".strip())
    return out


def fitting(environment: Mapping[str, str] | None = None) -> str:
    """The theme for this terminal: `mono` with NO_COLOR; `ansi16` on a Linux console and other terminals with 16 colours."""
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
