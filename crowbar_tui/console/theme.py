"""Turns names of styles into colours. The screens know only the names.

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

In the themes for colour-blind users, the four states stay apart for people without red or green cones: ready is grey, work is blue,
what waits is yellow, a problem is orange (brown on a light terminal). `tests/console/test_console_theme.py` computes that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.style import Style

STYLES = ("", "dim", "head", "name", "good", "busy", "ask", "bad", "key")

_BAR = {
    "default": "on #2b3540",
    "light": "on #d9e2ea",
    "colour-blind": "on #2b3540",
    "colour-blind-light": "on #d9e2ea",
    "contrast": "on #00408f",
    "ansi16": "on blue",
    "ansi16-light": "on white",
    "colour-blind-16": "on blue",
    "mono": "reverse",
}

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
    "light": {
        "": "",
        "dim": "#5f6b76",
        "head": "#5f6b76",
        "name": "bold",
        "good": "#3f7048",
        "busy": "#1f5f99",
        "ask": "bold #8a5a00",
        "bad": "bold #b32414",
        "key": "#6b5410",
    },
    "colour-blind": {
        "": "",
        "dim": "#7b8794",
        "head": "#7b8794",
        "name": "bold",
        "good": "#b8c4c9",
        "busy": "#4fa8f0",
        "ask": "bold #ffdd33",
        "bad": "bold #ef7a4a",
        "key": "#a3c4e0",
    },
    "colour-blind-light": {
        "": "",
        "dim": "#6b7680",
        "head": "#6b7680",
        "name": "bold",
        "good": "#55616b",
        "busy": "#0060c0",
        "ask": "bold #867200",
        "bad": "bold #5c0000",
        "key": "#24527a",
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
    "ansi16-light": {
        "": "",
        "dim": "bright_black",
        "head": "bright_black",
        "name": "bold",
        "good": "green",
        "busy": "blue",
        "ask": "bold magenta",
        "bad": "bold red",
        "key": "blue",
    },
    "colour-blind-16": {
        "": "",
        "dim": "bright_black",
        "head": "bright_black",
        "name": "bold",
        "good": "",
        "busy": "bright_cyan",
        "ask": "bold bright_yellow",
        "bad": "bold bright_white on red",
        "key": "cyan",
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
_ANSI_BAR = {
    # On the bar, greys would be unreadable.
    "dim": "white",
    "head": "white",
    "": "bright_white",
    "busy": "bright_cyan",
    "good": "bright_green",
    "ask": "bold bright_yellow",
    "bad": "bold bright_red",
    "name": "bold bright_white",
    "key": "bright_yellow",
}
_ON_BAR: dict[str, dict[str, str]] = {
    "ansi16": _ANSI_BAR,
    "colour-blind-16": {**_ANSI_BAR, "good": "bright_white", "bad": "bold bright_white on red"},
    "default": {"dim": "#a3afbb", "head": "#a3afbb"},
    "colour-blind": {"dim": "#a3afbb", "head": "#a3afbb"},
    "light": {"dim": "#4a5560", "head": "#4a5560"},
    "colour-blind-light": {"dim": "#4a5560", "head": "#4a5560", "ask": "bold #6b5a00"},
    "contrast": {"ask": "bold bright_yellow", "bad": "bold bright_white on red", "dim": "bright_white"},
    "ansi16-light": {
        "dim": "black",
        "head": "black",
        "": "black",
        "busy": "blue",
        "good": "black",
        "ask": "bold magenta",
        "bad": "bold red",
        "name": "bold black",
        "key": "blue",
    },
    "mono": {},
}
_ON_LIGHT = {"default": "light", "colour-blind": "colour-blind-light", "ansi16": "ansi16-light"}
_ON_16_COLOURS = {
    "default": "ansi16",
    "light": "ansi16-light",
    "colour-blind": "colour-blind-16",
    "colour-blind-light": "colour-blind-16",
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


def fitting(environment: Mapping[str, str] | None = None, asked: str = "") -> str:
    """The theme for this terminal. CROWBAR_THEME comes first, then NO_COLOR, then `asked`, the user's set-up; each in the form that a
    terminal with 16 colours or a light background can show. Without them: what fits the terminal."""
    env = os.environ if environment is None else environment
    chosen = env.get("CROWBAR_THEME", "")
    named = chosen if chosen in NAMES else ""
    if not named and env.get("NO_COLOR"):
        return "mono"
    term = env.get("TERM", "")
    many = env.get("COLORTERM", "") in ("truecolor", "24bit") or "256color" in term or term in ("xterm-kitty", "alacritty")
    if not named and not many and (term.startswith("vt") or term == "dumb"):
        return "mono"
    named = named or (asked if asked in NAMES else "")
    found = named or ("default" if many else "ansi16")
    if not many:
        found = _ON_16_COLOURS.get(found, found)
    return _ON_LIGHT.get(found, found) if light(env) and named not in ("default", "ansi16") else found


def light(environment: Mapping[str, str]) -> bool:
    """True if COLORFGBG says that the terminal's background is light, as rxvt, Konsole and others do."""
    ground = environment.get("COLORFGBG", "").rpartition(";")[2]
    return ground.isascii() and ground.isdecimal() and len(ground) <= 2 and int(ground) in (7, *range(9, 16))
