"""The bodies, queries and answers of the HTTP API. The OpenAPI document is made from these records."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ..attach.protocol import LINE
from ..definitions import Json
from ..views.summary import RoleRow, Why

ROWS = 1000
"""Most journal rows of an answer."""
WAIT_S = 30.0


class Yes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a verb without a value. It may be empty."""

    yes: bool = False
    """True to confirm that disks may lose their data."""


class Valued(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a verb with a value."""

    value: Json = None
    yes: bool = False
    """True to confirm that disks may lose their data."""


class NewValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of an attribute, as its definition says."""

    value: Json


class PlanText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as YAML. `name` stands in its mistakes."""

    plan: Annotated[str, Meta(max_length=LINE)]
    name: Annotated[str, Meta(max_length=200)] = "plan"


class PlanToCommit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as YAML, with its secrets: name -> value. The engine opens no file and reads no variable for a caller."""

    plan: Annotated[str, Meta(max_length=LINE)]
    name: Annotated[str, Meta(max_length=200)] = "plan"
    secrets: Annotated[dict[str, str], Meta(max_length=1000)] = {}
    if_revision: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    """Refused if another revision is in force. Without it, whatever is in force is replaced."""

    def __repr__(self) -> str:
        return f"PlanToCommit({self.name!r}, secrets={sorted(self.secrets)})"


class JournalQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    """Only rows with a greater `seq`."""
    limit: Annotated[int, Meta(ge=1, le=ROWS)] = 200
    """Most rows of the answer."""
    wait: Annotated[float, Meta(ge=0, le=WAIT_S)] = 0.0
    """Seconds that the engine waits for a row if there is none yet."""


class About(Struct, frozen=True, kw_only=True):
    """Who answers, and as whom it knows the caller."""

    version: str
    user: str
    failure: str
    """Why the engine stopped, as a sentence. Empty while it works."""


class Receipt(Struct, frozen=True, kw_only=True):
    """The order was carried out."""

    message: str


class Refused(Struct, frozen=True, kw_only=True):
    """Why a request was refused: code and fields for programs, sentence and advice for people (docs/reasons.md)."""

    code: str
    fields: dict[str, str | int | float | None]
    sentence: str
    advice: str = ""


class Reasons(Struct, frozen=True, kw_only=True):
    """Why a node does not continue, and its roles that are not done, each with its reasons."""

    node: Why | None
    roles: tuple[RoleRow, ...]


class JournalRows(Struct, frozen=True, kw_only=True):
    rows: tuple[dict[str, Json], ...]
    """Oldest first: `seq`, `at`, `type`, `node`, `text`, and more where it applies."""
    next: int
    """The `after` of the next request."""


class RevisionRow(Struct, frozen=True, kw_only=True):
    revision: int
    who: str
    at: float
    """Wall time in seconds."""
    in_force: bool


class PlanOfRevision(Struct, frozen=True, kw_only=True):
    revision: int
    who: str
    at: float
    """Wall time in seconds."""
    in_force: bool
    plan: str
    """YAML. Secrets are references."""
