"""The few characters that are not letters, in two sets: CP437 (which the Linux console and every terminal has) and ASCII.

There is no third, richer set: a wide terminal shows more columns, not other signs. All screens use the first set. If only ASCII works,
`LinesWidget` replaces each character by its ASCII twin as it paints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

RULE, FULL, HALF, LIGHT, DOT = "─", "█", "▓", "░", "·"
GREY, DOUBLE = "▒", "═"
RIGHT, UP, DOWN, TICK = "►", "▲", "▼", "√"
TOP_LEFT, TOP_RIGHT, LOW_LEFT, LOW_RIGHT, SIDE = "┌", "┐", "└", "┘", "│"
NEXT = "»"

ALL = "─█▓▒░·►▲▼√┌┐└┘│├┤»«═"
ASCII = str.maketrans(dict(zip(ALL, "-#%:..>^vx++++|++><=", strict=True)))

CP437 = frozenset(
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■"
    "►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
)
"""All characters that a screen may contain besides ASCII."""


def ascii_only(environment: Mapping[str, str] | None = None) -> bool:
    """True if this terminal needs ASCII: by request, as a dumb terminal, or by its locale."""
    env = os.environ if environment is None else environment
    if env.get("CROWBAR_ASCII"):
        return True
    if env.get("TERM", "") in ("dumb", "unknown", "vt100", "vt102", "vt220", "ansi"):
        return True
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    return "utf" not in locale.lower() and locale not in ("", "C")


def bar(share: float, columns: int) -> tuple[str, str]:
    """A progress bar in two pieces: done and open."""
    full = min(max(round(share * columns), 0), columns)
    if 0 < share < 1:
        full = min(max(full, 1), columns - 1)
    return FULL * full, LIGHT * (columns - full)
