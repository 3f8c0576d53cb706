"""The bodies, queries and answers of the HTTP API. The OpenAPI document is made from these records."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from ..attach.protocol import LINE
from ..definitions import Json
from ..views.proposals import ProposalView
from ..views.revisions import RevisionChange
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
    """The value of an attribute, as its definition says, or a secret."""

    value: Json | UnsetType = UNSET
    pointer: Annotated[str, Meta(max_length=1024)] = ""
    """JSON pointer (RFC 6901): only this place in the value. The engine changes it in the value that it has then."""
    secret: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """Instead of `value`, for an attribute that holds a secret. It is sealed at once, and no answer ever has it."""

    def __post_init__(self) -> None:
        if (self.value is UNSET) == (self.secret is UNSET):
            raise ValueError("Object needs either the field `value` or the field `secret`")

    def __repr__(self) -> str:
        return f"NewValue({'a secret' if self.value is UNSET else repr(self.value)}, pointer={self.pointer!r})"


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pointer: Annotated[str, Meta(max_length=1024)] = ""
    """JSON pointer (RFC 6901): only this place in the value. Empty: the whole value."""


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


class InstalledMachine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine to adopt, and how the engine logs in there once: with a password, with a private key, or with its own key if the machine
    knows that already. The engine keeps neither."""

    address: Annotated[str, Meta(max_length=21)]
    """`ADDRESS`, or `ADDRESS:PORT` if SSH listens on another port than 22."""
    host_key: Annotated[str, Meta(max_length=2000)] = ""
    """The confirmed SSH host key: `SHA256:...`, or the line. Without it the refusal tells the fingerprint."""
    user: Annotated[str, Meta(min_length=1, max_length=64)] = "root"
    name: Annotated[str, Meta(max_length=63)] = ""
    """The first label of its name. Empty: its own host name."""
    password: Annotated[str, Meta(max_length=1000)] | None = None
    private_key: Annotated[str, Meta(max_length=16000)] | None = None

    def __repr__(self) -> str:
        return f"InstalledMachine({self.user}@{self.address})"


class EditedDeployment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One deployment as YAML, as it stands under its name in a plan. `name` stands in its mistakes."""

    definition: Annotated[str, Meta(max_length=LINE)]
    name: Annotated[str, Meta(max_length=200)] = "deployment"
    base: Annotated[int, Meta(ge=0, le=2**53)] = 0
    """The revision on which the edit was made. 0: the present one."""
    over: float | None = None
    """`at` of the waiting edit that the caller saw; 0: it saw none. Null: replace any."""


class EarlierRevision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    revision: Annotated[int, Meta(ge=1, le=2**53)]


class NamedEdits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The deployments whose waiting edits are meant."""

    deployments: Annotated[tuple[Annotated[str, Meta(max_length=63)], ...], Meta(min_length=1, max_length=1000)]


class EditsToCommit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The deployments whose waiting edits become the plan, together."""

    deployments: Annotated[tuple[Annotated[str, Meta(max_length=63)], ...], Meta(min_length=1, max_length=1000)]
    seen: Annotated[dict[str, float], Meta(max_length=1000)] = {}
    """Deployment -> `at` of the edit that the caller saw. Another edit that was made since is not committed."""


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
    changes: tuple[RevisionChange, ...]
    """Against the revision before. Empty for the first."""
    back: int
    """The earlier revision with the same plan. 0: none."""


class DeploymentText(Struct, frozen=True, kw_only=True):
    """A deployment as YAML, as it stands under its name in a plan."""

    name: str
    definition: str | None
    """As the plan has it. Null: the plan does not have it."""
    edit: ProposalView | None
    """The edit that waits to be committed."""
    proposed: str | None
    """As the edit has it. Null: none waits, or it deletes the deployment."""


class PlanOfRevision(Struct, frozen=True, kw_only=True):
    revision: int
    who: str
    at: float
    """Wall time in seconds."""
    in_force: bool
    plan: str
    """YAML. Secrets are references."""
