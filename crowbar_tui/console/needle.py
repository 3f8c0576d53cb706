"""What `/` looks for: words that are regular expressions, all of them in any order, upper and lower case alike. Pure.

    node-1[46] raid     both in one line
    /os-install error/  one expression, blanks included
    !ready              lines without it

Slow expressions are refused: Python cannot interrupt one, and an engine that machines boot from shares the console's process.
"""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

LONGEST = 200
"""Letters of a needle."""
PIECE = 600
"""Letters of one line of a text in which an expression is looked for."""
OPEN = 2
"""Most `*`, `+` and `{n,m}` of a needle: each multiplies the time by `PIECE`."""
CHOICES = 512
"""Most ways through the alternatives (`a|b`, `a?`) of a needle; 8 with two open repeats."""
_SIGNS = frozenset(".^$*+?{}[]\\|()")


class WrongNeedle(ValueError):
    """The text is a sentence: which part is no expression, and why."""


class Word(NamedTuple):
    plain: str
    """Lower-case text that is looked for as it is. Empty: the expression counts."""
    expression: re.Pattern[str]

    def inside(self, text: str, lower: str) -> bool:
        if self.plain:
            return self.plain in lower
        return any(self.expression.search(piece[:PIECE]) for piece in text.split("\n"))


class Needle(NamedTuple):
    words: tuple[Word, ...] = ()
    inverse: bool = False

    def finds(self, text: str) -> bool:
        """True if a thing with this text is shown. Without words every thing is."""
        lower = text.lower()
        return not self.words or all(word.inside(text, lower) for word in self.words) != self.inverse


def needle(text: str) -> Needle:
    """Raises WrongNeedle."""
    inverse = text.startswith("!")
    text = text[1:] if inverse else text
    if len(text) > LONGEST:
        raise WrongNeedle(f"more than {LONGEST} letters")
    whole = len(text) > 2 and text.startswith("/") and text.endswith("/")
    words = [text[1:-1]] if whole else text.split()
    cost = [_cost(_start(word)) for word in words]
    repeats, choices = sum(c.repeats for c in cost), max((c.choices for c in cost), default=1)
    if repeats > OPEN:
        raise WrongNeedle(f"more than {OPEN} repeats (* + {{n,m}}) are too slow")
    if choices > (8 if repeats == OPEN else CHOICES):
        raise WrongNeedle("so many alternatives (| ?) are too slow")
    return Needle(tuple(_compiled(word) for word in words), inverse)


def _start(word: str) -> str:
    """The expression without a `.*` in front, which finds the same and takes much longer."""
    return word[2:] if word.startswith(".*") and word[2:3] not in ("", "?", "+") else word


def _compiled(word: str) -> Word:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of signs that a later Python may read otherwise
            found = re.compile(_start(word), re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        why = error.msg if isinstance(error, re.error) else "too large"
        raise WrongNeedle(f"{word} is no regular expression: {why}") from error
    return Word("" if _SIGNS.intersection(word) else word.lower(), found)


class _Cost(NamedTuple):
    repeats: int
    choices: int


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[a-zA-Z:=!<>]*|\{\d*,?\d*\}|.", re.DOTALL)


def _cost(word: str) -> _Cost:
    """How slow an expression can be. Raises WrongNeedle for a repeated group that itself repeats or has alternatives: its time is
    exponential."""
    varies, ways = [False], [1]
    repeats, choices, closed, before = 0, 1, False, ""
    for token in _TOKEN.findall(word):
        if token[0] == "(":
            varies.append(False)
            ways.append(1)
            closed = False
        elif token == ")" and len(varies) > 1:
            closed = varies.pop()
            choices *= ways.pop()
            varies[-1] = varies[-1] or closed
        elif token in ("*", "+") or (len(token) > 2 and token[0] == "{"):
            if closed:
                raise WrongNeedle(f"{word}: a repeat of a group that repeats or has alternatives is too slow")
            varies[-1] = True
            repeats += token in ("*", "+") or "," in token
        elif token == "?":
            varies[-1] = True
            choices *= 1 if before in ("*", "+", "?") or before.startswith("{") else 2
        else:
            ways[-1] += token == "|"
            varies[-1] = varies[-1] or token == "|"
            closed = False
        before = token
    for many in ways:
        choices *= many
    return _Cost(repeats, choices)
