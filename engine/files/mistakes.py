"""Mistakes in files that people write. Each says where it is, what was expected there, and what was probably meant.

Rules
* All mistakes of one reading are collected, up to `LIMIT`. A mistake that follows from another is not reported.
* A sentence is in lower case, without a full stop. `shown` quotes the written text, shortened, and never a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec import Struct, structs

LIMIT = 20
_SHOWN = 60


class PlanMistake(Struct, frozen=True, kw_only=True):
    """One mistake in a plan, a barclamp, an image or the stages."""

    file: str
    line: int
    """Counted from 1."""
    path: str
    """Keys from the top, joined by dots; list items by their number from 0: `roles.0.wants`. Empty: the whole document."""
    expected: str
    nearest: str = ""
    """The known word closest to the written one. Empty: none is close."""
    column: int = 0
    """Counted from 1. 0: the reader of this kind of file does not tell it."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: " if self.column else f"{self.file}:{self.line}: "
        return (
            where + (f"{self.path}: " if self.path else "") + self.expected + (f"; did you mean {self.nearest!r}?" if self.nearest else "")
        )


class PlanError(ValueError):
    """The file is not usable. `mistakes` is never empty; the text has one line for each."""

    def __init__(self, mistakes: Iterable[PlanMistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class CatalogError(PlanError):
    """A barclamp, an image or the stages are not usable."""


class Mistakes:
    """Collects the mistakes of one reading, over all its files."""

    def __init__(self) -> None:
        self.found: list[PlanMistake] = []
        self.left_out = 0

    def add(self, mistake: PlanMistake) -> None:
        """Adds a mistake. Its words are shortened, and control characters removed, because keys come from strangers."""
        mistake = structs.replace(mistake, path=_harmless(mistake.path, 200), expected=_harmless(mistake.expected, 400))
        if mistake in self.found:
            return
        if len(self.found) < LIMIT:
            self.found.append(mistake)
        else:
            self.left_out += 1

    def end(self, error: type[PlanError] = PlanError) -> None:
        """Raises `error` if there are any."""
        if self.found:
            files = list(dict.fromkeys(mistake.file for mistake in self.found))
            raise error(sorted(self.found, key=lambda mistake: (files.index(mistake.file), mistake.line, mistake.column)))


def _harmless(text: str, limit: int) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to `word`, or empty. Case does not count."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower()[:100], folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else ""


def shown(value: object) -> str:
    """The written text, quoted and shortened; `nothing`, `true` and `false` as YAML says them."""
    text = "nothing" if value is None else repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def listed(names: Iterable[str]) -> str:
    """A list of known words for a sentence, shortened."""
    every = sorted(names)
    return ", ".join(every[:12]) + (f" and {len(every) - 12} more" if len(every) > 12 else "") if every else "none"
