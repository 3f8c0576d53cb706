"""The few characters that are not letters. Two sets: CP437 (what the Linux console and every terminal has) and ASCII.

There is no third, richer set: a wide terminal gets more columns, not other signs. All screens are drawn with the first
set; where only ASCII will do, `Sheet` puts the second in as it paints, one for one.
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
"""What may stand on a screen beside ASCII."""


def ascii_only(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this terminal gets ASCII: asked for, a dumb one, or a locale without UTF-8."""
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
