"""The messages on the attach socket: one JSON object per line, a request with `do`, an answer with the same `id`.

    {"crowbar": 1, "id": 7, "do": "operate", "verb": "power", "node": "node-3", "value": "off"}
    {"id": 7, "ok": true, "message": "node-3.r07.example.net is off"}
    {"id": 8, "ok": false, "reason": {"code": "busy", "fields": {...}}, "sentence": "...", "advice": "..."}

`crowbar` is the version of this contract. A request of another version is refused, and the refusal names the engine's version. Unknown
keys are refused: a client must not believe that the engine understood them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..definitions import Json
from ..reasons import Reason

VERSION = 1
LINE = 2 * 1024 * 1024
"""Most bytes of a line, both ways. A plan of a large rack has some hundred kB, live values of 16,000 nodes about 2 MB."""


class Request(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    crowbar: int = VERSION
    id: int = 0


class Ping(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="ping"):
    """Asks for the version, the pid, and the name under which the engine knows the caller."""


class DoOperate(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="operate"):
    """A verb on a node or node role (`core.operator.verbs`)."""

    verb: str
    node: str
    role: str = ""
    value: Json = None


class DoCommit(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="commit"):
    """Commit a plan: its text, and the file name for its mistakes. `secrets`: name -> what the client read where the plan says that it is.
    The engine opens no file for a client: it would do so with its own rights."""

    plan: str
    name: str = "plan"
    secrets: dict[str, str] = {}
    expects: int | None = None
    """The revision from which the plan was made. The engine refuses the commit if another one is in force."""

    def __repr__(self) -> str:
        return f"DoCommit({self.name!r}, secrets={sorted(self.secrets)})"


class DoPropose(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="propose"):
    """An edit of one deployment, which waits until it is committed. Without `definition` and `revision`: its deletion."""

    deployment: str
    definition: str | None = None
    """YAML, as it stands under the deployment's name in a plan."""
    revision: int = 0
    """Go back to the definition of this revision. 0: take `definition`."""
    name: str = "deployment"
    """The file's name, for mistakes."""
    base: int = 0
    """The revision on which the edit was made. 0: the present one."""
    over: float | None = None
    """`Proposal.at` of the waiting edit that the client saw; 0: it saw none. Null: replace any."""


class DoRecall(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="recall"):
    """Drop the waiting edit of a deployment."""

    deployment: str


class DoCommitProposals(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="commit-proposals"):
    """Commit the waiting edits of these deployments together. `seen`: deployment -> `Proposal.at` of the edit that the client saw."""

    deployments: list[str]
    seen: dict[str, float] = {}


class DoSetAttribute(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set-attribute"):
    layer: Literal["hint", "deployment", "role", "operator"]
    scope: str
    name: str
    value: Json = None
    clear: bool = False
    pointer: str = ""
    """Only this place in the value, by JSON pointer: the engine changes it in the value that it has then. Empty: the whole value."""
    secret: str | None = None
    """Instead of `value`, for an attribute that holds a secret: the engine seals it, and keeps only its name elsewhere."""

    def __repr__(self) -> str:
        what = "clear" if self.clear else "a secret" if self.secret is not None else repr(self.value)
        return f"DoSetAttribute({self.layer} {self.scope} {self.name}#{self.pointer}: {what})"


class DoJoin(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="join"):
    """Adopt an installed machine. The client reads the credential, with the rights of who asks; the engine keeps neither. Without one, the
    machine must know the engine's key already."""

    address: str
    """`ADDRESS`, or `ADDRESS:PORT` if SSH listens on another port than 22."""
    user: str = "root"
    name: str = ""
    """The first label of its name here. Empty: its own host name."""
    host_key: str = ""
    """The fingerprint (`SHA256:...`) or the key line that the operator confirmed. Empty: the refusal tells the fingerprint."""
    password: str | None = None
    private_key: str | None = None
    """The text of the file, in OpenSSH's or PEM format."""

    def __repr__(self) -> str:
        given = "a password" if self.password is not None else "a key" if self.private_key is not None else "nothing"
        return f"DoJoin({self.user}@{self.address}, with {given})"


class AskHealth(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="health"):
    """The loop's figures (`loop.Health`), counters and refusals."""


class AskProgress(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="progress"):
    """Live values by node: percent and text of its task, and seconds since its last sign of life."""


class AskDisks(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="disks"):
    """The nodes' disks as they report them now: node id -> `hardware.disk_now.Look`. Takes seconds (`disk_looks.LOOK_S`). Only reads."""

    nodes: list[str]


class AskBmc(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="bmc"):
    """What the node's BMC says now (`doctor.bmc.BmcSaid`), and with `inventory` what it tells of the machine's parts, which is kept. With
    `health` only a look at the machine's health (`store.vitals`), which is kept.
    Takes up to a minute, or minutes. Changes nothing on the machine."""

    node: str
    inventory: bool = False
    interop: bool = False
    """Run DMTF's validator too, where it is installed: some minutes more."""
    health: bool = False


class AskPackets(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="packets"):
    """The last packets after number `after`: of a node (name or id), a MAC or an address, or of all if empty. The answer has
    `packets`, the number `next` for the next request, and `more` if one answer could not hold all."""

    of: str = ""
    after: int = 0


class Wait(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="wait"):
    """Answered when journal row `seq` + 1 exists, or after `seconds`."""

    seq: int
    seconds: float = 10.0


class Stop(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="stop"):
    """Asks the process that holds the engine to stop it. Answered before it stops."""


class HandOver(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="hand-over"):
    """Asks the engine that decides to let a standby take over, the one called `to` if named. Answered before it does."""

    to: str = ""


AnyRequest = (
    Ping
    | DoOperate
    | DoCommit
    | DoPropose
    | DoRecall
    | DoCommitProposals
    | DoSetAttribute
    | DoJoin
    | AskHealth
    | AskProgress
    | AskBmc
    | AskDisks
    | AskPackets
    | Wait
    | HandOver
    | Stop
)


class Reply(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One answer. `result` is the requested data; `reason` is the reason of a refusal."""

    id: int = 0
    ok: bool
    message: str = ""
    result: Json = None
    reason: Reason | None = None
    sentence: str = ""
    advice: str = ""
