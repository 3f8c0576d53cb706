"""Lines of text with ink: what every screen is made of.

A line is a tuple of spans, a span is text and the name of an ink (`theme` makes a style of it). Pure.

Rules
* One character is one cell. Text from outside (host names, what agents say) goes through `clean`, which takes away control characters,
  and all that is not one cell wide.
* An ink with `+` behind it is the same ink on the bar of the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[str, str]
Line = tuple[Span, ...]

BLANK: Line = ()


def clean(text: str) -> str:
    """Printable, one cell per character."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c < "\x7f" or ("\xa0" <= c < "\u0300") or ("\u2010" <= c < "\u2700") else "?" for c in text)


def line(*spans: Span | str) -> Line:
    """Strings are plain."""
    return tuple((s, "") if isinstance(s, str) else s for s in spans if s and (isinstance(s, str) or s[0]))


def width(of: Line) -> int:
    return sum(len(text) for text, _ in of)


def plain(of: Line) -> str:
    return "".join(text for text, _ in of)


def cut(of: Line, start: int, end: int) -> Line:
    """Cells from `start` up to `end`; shorter where the line is."""
    out = []
    at = 0
    for text, ink in of:
        if at >= end:
            break
        piece = text[max(start - at, 0) : end - at]
        if piece:
            out.append((piece, ink))
        at += len(text)
    return tuple(out)


def fit(of: Line, columns: int, ink: str = "") -> Line:
    """Exactly so many cells."""
    have = width(of)
    if have > columns:
        return cut(of, 0, columns)
    return (*of, (" " * (columns - have), ink)) if have < columns else of


def paste(of: Line, at: int, over: Line) -> Line:
    """`over` laid on the line from cell `at` on."""
    there = width(over)
    whole = width(of)
    return (*fit(cut(of, 0, at), at), *over, *cut(of, at + there, max(whole, at + there)))


def barred(of: Line, columns: int) -> Line:
    """The line under the cursor's bar."""
    return tuple((text, ink + "+") for text, ink in fit(of, columns))


def clip(text: str, columns: int, more: str = "~") -> str:
    """Text of at most so many cells; where something was cut off, it says so."""
    text = clean(text)
    return text if len(text) <= columns else text[: max(columns - 1, 0)] + more[: columns > 0]


def wrap(text: str, columns: int, most: int = 0) -> list[str]:
    """Words broken to lines of at most so many cells; with `most`, the last one is clipped."""
    out: list[str] = []
    for word in clean(text).split():
        if out and len(out[-1]) + 1 + len(word) <= columns:
            out[-1] += " " + word
        else:
            while len(word) > columns > 0:
                out.append(word[:columns])
                word = word[columns:]
            out.append(word)
    if most and len(out) > most:
        out = [*out[: most - 1], clip(" ".join(out[most - 1 :]), columns)]
    return out or [""]


def spread(left: Line, right: Line, columns: int) -> Line:
    """Left at the left end, right at the right one; the left one gives way."""
    room = columns - width(right)
    return fit((*fit(left, max(room, 0)), *right), columns)


def join(spans: Iterable[Line], between: str = "  ") -> Line:
    out: list[Span] = []
    for one in spans:
        if out and one:
            out.append((between, ""))
        out += one
    return tuple(out)
