"""The few characters that are not letters, in two sets: CP437 (which the Linux console and every terminal has) and ASCII.

There is no third, richer set: a wide terminal shows more columns, not other signs. All screens use the first set. If only ASCII works,
`LinesWidget` replaces each character by its ASCII twin as it paints.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

RULE, FULL, HALF, LIGHT, DOT = "─", "█", "▓", "░", "·"
GREY, DOUBLE = "▒", "═"
RIGHT, UP, DOWN, TICK = "►", "▲", "▼", "√"
TOP_LEFT, TOP_RIGHT, LOW_LEFT, LOW_RIGHT, SIDE = "┌", "┐", "└", "┘", "│"
NEXT = "»"
CROSS, DOUBLE_SIDE, DOUBLE_CORNER = "┼", "║", "╝"

ALL = "─█▓▒░·►▲▼√┌┐└┘│├┤»«═┼║╝"
ASCII = str.maketrans(dict(zip(ALL, "-#%:..>^vx++++|++><=+|+", strict=True)))

CP437 = frozenset(
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■"
    "►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
)
"""All characters that a screen may contain besides ASCII."""


def ascii_only(environment: Mapping[str, str] | None = None) -> bool:
    """True if this terminal needs ASCII: by request, as a dumb terminal, or by its locale. Without a locale, POSIX means `C`."""
    env = as_started() if environment is None else environment
    if env.get("CROWBAR_ASCII"):
        return True
    if env.get("TERM", "") in ("dumb", "unknown", "vt100", "vt102", "vt220", "ansi"):
        return True
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    return "utf" not in locale.lower()


def as_started() -> dict[str, str]:
    """The environment, with `LC_CTYPE` as the process was started: in the locale `C`, Python sets it to C.UTF-8 by itself (PEP 538)."""
    env = dict(os.environ)
    if env.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        with contextlib.suppress(OSError):
            started = dict(one.split("=", 1) for one in Path("/proc/self/environ").read_text("utf-8", "replace").split("\0") if "=" in one)
            env["LC_CTYPE"] = started.get("LC_CTYPE", "")
    return env


def to_ascii(text: str) -> str:
    """The text in ASCII, cell by cell: a glyph becomes its twin, a letter loses its accent, and anything else is `?`."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _plain(c) for c in text.translate(ASCII))


def _plain(character: str) -> str:
    first = unicodedata.normalize("NFKD", character)[:1]
    return first if first.isascii() else "?"


def bar(share: float, columns: int) -> tuple[str, str]:
    """A progress bar in two pieces: done and open."""
    columns = max(columns, 0)
    full = min(max(round(share * columns), 0), columns)
    if 0 < share < 1 and columns:
        full = min(max(full, 1), columns - 1)
    return FULL * full, LIGHT * (columns - full)
