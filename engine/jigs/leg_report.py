"""The one line of JSON that `attempt` prints (images/node/attempt), as a typed record.

The node is not trusted: the line is bounded, the fields are typed, and anything else raises ValueError with a sentence.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from ..definitions import Json
from ..wire.agent import Ended, LegState

MAX_LINE = 384 * 1024


class LegReport(Struct, frozen=True, kw_only=True):
    """State of one leg on a node."""

    id: Annotated[str, Meta(max_length=128)]
    state: LegState
    exit: Annotated[int, Meta(ge=-255, le=255)] | None = None
    gives: dict[str, Json] = {}
    error: Annotated[str, Meta(max_length=512)] = ""
    message: Annotated[str, Meta(max_length=512)] = ""
    """The line that says why it failed, if it is known without the log."""
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    text: Annotated[str, Meta(max_length=512)] = ""

    def ended(self, log: str, cut: bool) -> Ended:
        return Ended(state=self.state, exit=self.exit, error=self.error, message=self.message, gives=self.gives, log=log, cut=cut)


class Seen(NamedTuple):
    """What one call of the tool told: the state, and a piece of the log."""

    report: LegReport
    log: bytes = b""


_decoder = msgspec.json.Decoder(LegReport)


def parse_report(line: bytes, attempt: str) -> LegReport:
    """Parses the line of `attempt`. Raises ValueError."""
    if len(line) > MAX_LINE:
        raise ValueError(f"attempt printed {len(line)} bytes, more than {MAX_LINE}")
    try:
        report = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"attempt printed no state: {error}") from None
    if report.id != attempt:
        raise ValueError("attempt printed the state of another attempt")
    return report


def parse_seen(printed: bytes, attempt: str) -> Seen:
    """Parses the line and the piece of the log after it. Raises ValueError."""
    line, _, log = printed.partition(b"\n")
    return Seen(parse_report(line, attempt), log)
