"""Talks to the engine that holds a store, over its socket.

    with Attached(store) as engine:
        answer = engine.operate("power", "node-3", value="off")     # Receipt or Reason

Not for two threads at once: an answer belongs to the request before it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from ..definitions import Json
from ..reasons import Reason
from .place import POWER_S, SOCKET, AttachError, short_path
from .protocol import (
    LINE,
    AnyRequest,
    AskBmc,
    AskDisks,
    AskHealth,
    AskPackets,
    AskProgress,
    DoCommit,
    DoCommitProposals,
    DoJoin,
    DoOperate,
    DoPropose,
    DoRecall,
    DoSetAttribute,
    HandOver,
    Ping,
    Reply,
    Stop,
    Wait,
)

PATIENCE_S = POWER_S + 10.0
"""Seconds. Longer than the engine takes for the slowest request, so that the engine's own answer comes first."""


class Receipt(Struct, frozen=True, kw_only=True):
    """The order was carried out: a sentence, or the requested data."""

    message: str = ""
    result: Json = None


Answer = Receipt | Reason

_decode = msgspec.json.Decoder(Reply).decode


class Attached:
    """A connection to the engine of a store. Raises AttachError if no engine answers, or if it stops."""

    def __init__(self, store: Path, timeout_s: float = PATIENCE_S) -> None:
        self.store = store
        self._timeout_s = timeout_s
        self._number = 0
        self._pending = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            with short_path(store) as path:
                self._socket.connect(path)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            self._socket.close()
            raise AttachError(f"no engine runs on {store}: start one with `crowbar engine` or open the console with `crowbar`") from error
        except PermissionError as error:
            self._socket.close()
            raise AttachError(f"you may not operate the engine of {store}: join the group of that directory, or use sudo") from error
        except OSError as error:
            self._socket.close()
            why = error.strerror or str(error)
            raise AttachError(f"cannot use the engine's socket {store / SOCKET} ({why}): restart the engine") from error

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: AnyRequest) -> Answer:
        """Sends a request and waits for its answer."""
        self._number += 1
        number = self._number
        line = msgspec.json.encode(msgspec.structs.replace(request, id=number))
        end = time.monotonic() + self._timeout_s
        try:
            with contextlib.suppress(BrokenPipeError):  # it may have sent a reason before it closed
                self._socket.sendall(line + b"\n")
            while True:
                reply = _decode(self._line(end))
                if reply.id in (number, 0):
                    break
        except TimeoutError as error:
            raise AttachError(f"the engine of {self.store} does not answer: read its log") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise AttachError(
                f"the engine of {self.store} stopped or closed the connection ({error}): run `crowbar status`, then try again"
            ) from error
        if reply.ok:
            return Receipt(message=reply.message, result=reply.result)
        return reply.reason or Reason("refused", {"message": reply.sentence})

    def _line(self, end: float) -> bytes:
        while b"\n" not in self._pending:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionResetError("it closed the connection")
            self._pending += received
            if len(self._pending) > 2 * LINE:
                raise ConnectionResetError("its answer has no end")
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    # -- the requests ----------------------------------------------------------------------------------------------

    def ping(self) -> Answer:
        return self.ask(Ping())

    def operate(self, verb: str, node: str, role: str = "", value: Json = None) -> Answer:
        return self.ask(DoOperate(verb=verb, node=node, role=role, value=value))

    def commit(self, text: str, name: str = "plan", secrets: dict[str, str] | None = None, expects: int | None = None) -> Answer:
        """`expects`: the revision that must be in force.

        `secrets`: name -> what is found where the plan says (`api.control.commit_plan` reads them, with the rights of who asks)."""
        return self.ask(DoCommit(plan=text, name=name, secrets=secrets or {}, expects=expects))

    def propose(
        self,
        deployment: str,
        definition: str | None = None,
        *,
        revision: int = 0,
        name: str = "deployment",
        base: int = 0,
        over: float | None = None,
    ) -> Answer:
        """See `protocol.DoPropose`."""
        return self.ask(DoPropose(deployment=deployment, definition=definition, revision=revision, name=name, base=base, over=over))

    def recall(self, deployment: str) -> Answer:
        return self.ask(DoRecall(deployment=deployment))

    def commit_proposals(self, deployments: Sequence[str], seen: Mapping[str, float] | None = None) -> Answer:
        """`seen`: deployment -> `Proposal.at` of the edit that the operator saw."""
        return self.ask(DoCommitProposals(deployments=list(deployments), seen=dict(seen or {})))

    def set_attribute(
        self,
        layer: Literal["hint", "deployment", "role", "operator"],
        scope: str,
        name: str,
        value: Json = None,
        clear: bool = False,
        *,
        pointer: str = "",
        secret: str | None = None,
    ) -> Answer:
        """`pointer`: only this place in the value. `secret`: instead of `value`; the engine seals it."""
        return self.ask(DoSetAttribute(layer=layer, scope=scope, name=name, value=value, clear=clear, pointer=pointer, secret=secret))

    def join(
        self,
        address: str,
        *,
        user: str = "root",
        name: str = "",
        host_key: str = "",
        password: str | None = None,
        private_key: str | None = None,
    ) -> Answer:
        """See `protocol.DoJoin`."""
        return self.ask(DoJoin(address=address, user=user, name=name, host_key=host_key, password=password, private_key=private_key))

    def health(self) -> Answer:
        return self.ask(AskHealth())

    def progress(self) -> Answer:
        return self.ask(AskProgress())

    def disks(self, nodes: list[str]) -> Answer:
        """`result`: node id -> a `core.hardware.disk_now.Look` as plain data."""
        return self.ask(AskDisks(nodes=nodes))

    def bmc(self, node: str, inventory: bool = False, interop: bool = False) -> Answer:
        """`result`: `look`, a `doctor.bmc.BmcSaid`; and with `inventory` either `hardware`, the summary of the record, or `refused`."""
        return self.ask(AskBmc(node=node, inventory=inventory, interop=interop))

    def machine_health(self, node: str) -> Answer:
        """Looks at the machine's health now. `result`: `failed`, empty if the look succeeded; `busy` if one was under way."""
        return self.ask(AskBmc(node=node, health=True))

    def packets(self, of: str = "", after: int = 0) -> Answer:
        return self.ask(AskPackets(of=of, after=after))

    def wait(self, seq: int, seconds: float = 10.0) -> Answer:
        return self.ask(Wait(seq=seq, seconds=seconds))

    def hand_over(self, to: str = "") -> Answer:
        """See `protocol.HandOver`."""
        return self.ask(HandOver(to=to))

    def stop(self) -> Answer:
        return self.ask(Stop())
