"""What a reason is: its code and fields, the kind that makes it, and who has to act next."""

from __future__ import annotations

import enum
from string import Formatter

from msgspec import Struct

Field = str | int | float | None


class Reason(Struct, frozen=True, gc=False):
    """The code of a kind, with a value for each of the kind's fields."""

    code: str
    fields: dict[str, Field] = {}


class Who(enum.Enum):
    """Who has to act next, so that the blocked node or role continues."""

    ENGINE = "engine"
    OPERATOR = "operator"
    TECHNICIAN = "technician at the rack"
    AUTHOR = "plan author"
    WAIT = "nobody: wait"


class Kind:
    """One row of the table. Call it with its fields to make a `Reason`; a missing or unknown field raises TypeError."""

    __slots__ = ("advice", "code", "elsewhere", "names", "sentence", "who")

    def __init__(self, code: str, sentence: str, advice: str, who: Who, elsewhere: bool) -> None:
        self.code = code
        self.sentence = sentence
        self.advice = advice
        self.who = who
        self.elsewhere = elsewhere
        self.names = frozenset(name for text in (sentence, advice) for _, name, _, _ in Formatter().parse(text) if name is not None)

    def __call__(self, **fields: Field) -> Reason:
        if fields.keys() != self.names:
            raise TypeError(f"reason {self.code} takes {sorted(self.names)}, not {sorted(fields)}")
        return Reason(self.code, fields)


KINDS: dict[str, Kind] = {}
"""Code -> kind, for every reason of the engine, in the order of `docs/reasons.md`."""


def kind(code: str, sentence: str, advice: str = "", *, who: Who, elsewhere: bool = False) -> Kind:
    """Adds a row to the table. `elsewhere`: the cause lies in another role or in the node's boot, which has its own reason."""
    KINDS[code] = new = Kind(code, sentence, advice, who, elsewhere)
    return new
