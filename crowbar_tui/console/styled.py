"""Lines of text with style: the material of every screen.

A line is a tuple of spans. A span is a text and the name of a style, which `theme` turns into colours. Pure.

Rules
* One character is one cell. Text from outside (host names, agents) goes through `clean`, which removes control characters and all
  characters that are not one cell wide.
* A style with `+` after it is the same style on the bar of the cursor.
* A text that does not fit shows `~` where something is missing. `marked` makes every such text.
"""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[str, str]
Line = tuple[Span, ...]

BLANK: Line = ()
MARK = "~"
"""Stands where a part of a text is missing."""


def clean(text: str) -> str:
    """The text with printable characters only, one cell each."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c < "\x7f" or ("\xa0" <= c < "\u0300") or ("\u2010" <= c < "\u2700") else "?" for c in text)


def line(*spans: Span | str) -> Line:
    """Makes a line. Plain strings have no style."""
    return tuple((s, "") if isinstance(s, str) else s for s in spans if s and (isinstance(s, str) or s[0]))


def width(of: Line) -> int:
    return sum(len(text) for text, _ in of)


def plain(of: Line) -> str:
    return "".join(text for text, _ in of)


def cut(of: Line, start: int, end: int) -> Line:
    """Cells from `start` up to `end`; fewer if the line is shorter."""
    out = []
    at = 0
    for text, style in of:
        if at >= end:
            break
        piece = text[max(start - at, 0) : end - at]
        if piece:
            out.append((piece, style))
        at += len(text)
    return tuple(out)


def fit(of: Line, columns: int, style: str = "") -> Line:
    """The line, cut or padded to exactly so many cells. A cut line ends in the mark, unless only blanks are missing."""
    have = width(of)
    if have > columns:
        kept = cut(of, 0, columns)
        if columns <= 0 or not plain(cut(of, columns, have)).strip():
            return kept
        text = marked(plain(of), columns - 1)
        return (*cut(kept, 0, columns - 1), (text[-1], kept[-1][1]))
    return (*of, (" " * (columns - have), style)) if have < columns else of


def paste(of: Line, at: int, over: Line) -> Line:
    """The line with `over` laid over it from cell `at`."""
    there = width(over)
    whole = width(of)
    return (*fit(cut(of, 0, at), at), *over, *cut(of, at + there, max(whole, at + there)))


def barred(of: Line, columns: int) -> Line:
    """The line as it looks under the cursor's bar."""
    return tuple((text, style + "+") for text, style in fit(of, columns))


def marked(text: str, head: int, tail: int = 0) -> str:
    """Both ends of a text that does not fit, in so many cells each, with the mark between them."""
    return text[:head] + MARK + text[len(text) - tail :]


def clip(text: str, columns: int) -> str:
    """The text cut at its end to so many cells. A sentence ends after a whole word if that leaves half of the room."""
    text = clean(text)
    if len(text) <= columns:
        return text
    if columns <= 0:
        return ""
    kept = text[: columns - 1]
    words = kept if text[columns - 1] == " " else kept.rpartition(" ")[0]
    words = words.rstrip()
    return marked(text, len(words) if len(words) * 2 >= columns else columns - 1)


def shorten(text: str, columns: int, head: int = -1) -> str:
    """A name cut in the middle to so many cells: names mostly differ at an end. `head`: cells that stay before the mark; -1: half."""
    text = clean(text)
    if len(text) <= columns:
        return text
    if columns <= 0:
        return ""
    head = min((columns - 1) // 2 if head < 0 else head, columns - 1)
    return marked(text, head, columns - 1 - head)


def wrap(text: str, columns: int, most: int = 0) -> list[str]:
    """Text wrapped to lines of at most so many cells. With `most`, the last line is clipped."""
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
    """One text at the left end, one at the right end. The left one is cut if both do not fit."""
    room = columns - width(right)
    return fit((*fit(left, max(room, 0)), *right), columns)


def join(spans: Iterable[Line], between: str = "  ") -> Line:
    out: list[Span] = []
    for one in spans:
        if out and one:
            out.append((between, ""))
        out += one
    return tuple(out)


def flow(parts: Iterable[Line], columns: int, between: str = "  ", indent: int = 0) -> list[Line]:
    """Parts side by side, on as many lines as they need. Later lines begin with `indent` blanks. Only a part wider than a line is cut."""
    out: list[Line] = []
    now: Line = ()
    for part in parts:
        if not part:
            continue
        if now and width(now) + len(between) + width(part) > columns:
            out.append(now)
            now = ()
        lead = between if now else " " * indent if out else ""
        now = (*now, *line(lead), *part)
    return [*out, now] if now else out


def columns_of(left: list[Line], right: list[Line], columns: int, at: int, between: Line = ()) -> list[Line]:
    """Two texts side by side: the left one in the first `at` cells."""
    out = []
    for i in range(max(len(left), len(right))):
        a = left[i] if i < len(left) else BLANK
        b = right[i] if i < len(right) else BLANK
        out.append(fit((*fit(a, at), *between, *b), columns))
    return out
