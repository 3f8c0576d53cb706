"""The words spoken over the attach socket: one JSON object per line, a request with `do`, an answer with the same `id`.

    {"crowbar": 1, "id": 7, "do": "operate", "verb": "power", "node": "node-3", "value": "off"}
    {"id": 7, "ok": true, "message": "node-3.r07.example.net is off"}
    {"id": 8, "ok": false, "reason": {"code": "busy", "fields": {...}}, "sentence": "...", "advice": "..."}

`crowbar` is the version of this contract. A request of another version is refused with the version that is spoken here. Unknown keys are
refused: a client that says something which is not understood must not believe that it was heard.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..definitions import Json
from ..reasons import Reason

VERSION = 1
LINE = 2 * 1024 * 1024
"""Most octets of a line, both ways: a plan of a large rack has some hundred kB, live values of 16,000 nodes about 2 MB."""
SOCKET = "engine.sock"
"""Its name in the store's directory."""


class Request(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    crowbar: int = VERSION
    id: int = 0


class Ping(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="ping"):
    """Who is there: version, pid, user as whom the caller is known."""


class DoOperate(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="operate"):
    """A verb on a node or node role (`operate.NODE_VERBS`, `operate.ROLE_VERBS`)."""

    verb: str
    node: str
    role: str = ""
    value: Json = None


class DoCommit(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="commit"):
    """Commit a plan: its text, and what mistakes shall call it."""

    plan: str
    name: str = "plan"


class DoSetAttribute(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set-attribute"):
    layer: Literal["hint", "deployment", "role", "operator"]
    scope: str
    name: str
    value: Json = None
    clear: bool = False


class AskHealth(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="health"):
    """The loop's figures (`loop.Health`), counters and refusals."""


class AskProgress(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="progress"):
    """Live values by node: percent and text of its task, and how many seconds ago it was heard."""


class Wait(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="wait"):
    """Answered when journal row `seq` + 1 is there, or after `seconds`."""

    seq: int
    seconds: float = 10.0


class Stop(Request, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="stop"):
    """Ask the process that holds the engine to end it. Answered before it ends."""


AnyRequest = Ping | DoOperate | DoCommit | DoSetAttribute | AskHealth | AskProgress | Wait | Stop


class Reply(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One answer. `result` is what was asked for; `reason` says why not."""

    id: int = 0
    ok: bool
    message: str = ""
    result: Json = None
    reason: Reason | None = None
    sentence: str = ""
    advice: str = ""
