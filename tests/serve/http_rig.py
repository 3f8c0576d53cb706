"""A served HTTP site with a small engine behind it, for the tests of the HTTP service."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noted import Noted

from engine import reasons
from engine.definitions import RoleDef
from engine.effects import Acknowledge, BootScript, Refuse, Start, Welcome
from engine.events import Event, Fetched, Hello, Outcome, ScriptAsked
from engine.jigs import Order
from engine.jigs.agent import AgentJig
from engine.jigs.logs import Logs
from engine.model import Node
from engine.serve.http import HttpService, ImageFile, Limits, Sites
from engine.serve.http_wheels import WheelShelf, no_wheels
from engine.serve.standing import ALL_KNOWN, Standings
from engine.trust.authority import SiteTrust
from engine.trust.tokens import Keys

DEADLINE_S = 60.0
KERNEL = bytes(range(256)) * 4096


KEYS = Keys(b"s" * 32)


def ticket(number: int) -> str:
    """The nonce with which node `nN` says hello."""
    return KEYS.nonce(f"{number:016x}")


class SomeTexts:
    """What machines that boot are given, short."""

    def __init__(self, scripts: list[tuple[BootScript, str]]) -> None:
        self._scripts = scripts

    def script(self, effect: BootScript, nonce: str) -> str:
        self._scripts.append((effect, nonce))
        return f"#!ipxe\nkernel crowbar.nonce={nonce}\nboot\n"

    def menu(self, effect: BootScript, nonce: str) -> str:
        return f"linux crowbar.nonce={nonce}"

    def first_menu(self) -> bytes:
        return b"set timeout=0"

    def site(self) -> bytes:
        return b"the site"

    def install_answers(self, public: str, nonce: str, file: str) -> str | None:
        return None

    def tool(self, name: str) -> bytes | None:
        return None


class Rig:
    """The engine: welcomes `ticket(N)` as node `nN`, acknowledges outcomes, answers loaders; from another thread, as it does."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        tls: SiteTrust | None = None,
        upstream: Callable[[str, str], str | None] = lambda _mirror, _path: None,
        standings: Standings = ALL_KNOWN,
        wheels: WheelShelf = no_wheels,
        **limit: Any,
    ) -> None:
        self.path = path
        self.events: list[Event] = []
        self.full = False
        self.silent = False
        self.boots: dict[str, str] = {}
        self.contacts: list[str] = []
        self.progress_seen: list[tuple[str, float, str]] = []
        self.scripts: list[tuple[BootScript, str]] = []
        self.keys = KEYS
        self.logs = Logs(path / "logs")
        self.jig = AgentJig(self.submit, self.logs)
        self.images: dict[tuple[str, str], ImageFile] = {}
        self._changed = threading.Condition()
        self.record = Noted()
        self.mailbox = self.jig
        self.standings = standings
        self.texts = SomeTexts(self.scripts)
        self.upstream = upstream
        self.proxy = ""
        self.decides = True
        there = ((host, 0),)
        secure = there if tls else ()
        sites = Sites(
            clear=there,
            secure=secure,
            tls=tls.context if tls else None,
            packages=path / "packages",
            mirror=path / "mirrors" / "current",
            wheels=wheels,
        )
        self.http = HttpService(self, sites, limits or Limits(**limit))
        self.http.start()
        self.host, self.port = self.http.addresses[0]
        self.url = f"http://{self.host}:{self.port}"

    def stop(self) -> None:
        self.http.stop()
        self.jig.close()

    # -- the engine's side ----------------------------------------------------------------------------------------

    def submit(self, event: Event) -> bool:
        if self.full:
            return False
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        if not self.silent:
            threading.Thread(target=self.step, args=(event,)).start()
        return True

    def step(self, event: Event) -> None:
        match event:
            case ScriptAsked(mac="00:00:00:00:00:bb"):
                self.http.answer(Refuse(request=event.request, reason=reasons.banned(mac=event.mac)))
            case ScriptAsked():
                effect = BootScript(
                    request=event.request, mac=event.mac, node="", environment="sledgehammer", disk=False, nonce=event.nonce
                )
                self.http.answer(effect)
            case Hello():
                if event.nonce or event.credential:
                    self.welcome(event, f"n{int(event.nonce, 16)}" if event.nonce else event.credential)
                else:
                    self.http.answer(Refuse(request=event.request, reason=reasons.unknown_nonce()))
            case Outcome(what="done" | "again" | "failed"):
                effect = Acknowledge(attempt=event.attempt, node=event.node)
                self.http.answer(effect)
                self.jig.acknowledge(event.attempt, event.node)

    def welcome(self, event: Hello, node: str) -> None:
        self.boots[node] = event.boot_id
        self.http.answer(Welcome(request=event.request, node=node, name=f"{node}-name", boot_id=event.boot_id))

    def boot_id_of(self, node: str) -> str | None:
        return self.boots.get(node)

    def address_of(self, peer: str) -> str:
        return peer.replace("127.0.0.", "192.168.124.")

    def acts(self) -> bool:
        return self.decides

    def package_proxy(self) -> str:
        return self.proxy

    def image(self, name: str, file: str) -> ImageFile | None:
        return self.images.get((name, file))

    def contact(self, node: str) -> None:
        self.contacts.append(node)

    def progress(self, node: str, percent: float, text: str) -> None:
        self.progress_seen.append((node, percent, text))

    def log(self, attempt: str, offset: int, data: bytes) -> int | None:
        return self.logs.write(attempt, offset, data)

    # -- what tests say ---------------------------------------------------------------------------------------------

    def order(
        self,
        attempt: str,
        node: str = "n1",
        *,
        resume: bool = False,
        gives: tuple[str, ...] = (),
        run: str = "",
        sealed: tuple[str, ...] = (),
    ) -> None:
        folder = self.path / "role"
        folder.mkdir(exist_ok=True)
        (folder / "run").write_text(f"#!/bin/sh\n{run}\n")
        self.jig.start(
            Order(
                start=Start(attempt=attempt, node=node, role="demo", action="run", resume=resume),
                node=Node(id=node, name=node, boot_id=self.boots.get(node, "")),
                role=RoleDef(name="demo", barclamp="demos", stage="hardware", jig="agent", gives=gives),
                folder=str(folder),
                attributes={"raid": {"level": "raid1"}},
                timeout_s=60,
                sealed=sealed,
            )
        )

    def add_image(self, name: str, file: str, data: bytes, kind: Any = "discovery", use: str = "") -> Path:
        folder = self.path / "images" / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / file
        path.write_bytes(data)
        self.images[(name, file)] = ImageFile(path=str(path), size=len(data), sha256=hashlib.sha256(data).hexdigest(), kind=kind, use=use)
        return path

    def wait_event(self, kind: type[Event], count: int = 1) -> list[Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen(kind)) >= count, DEADLINE_S), self.events
            return self.seen(kind)

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def fetched(self) -> list[tuple[str, str]]:
        return [(event.address, event.what) for event in self.seen(Fetched)]

    def call(
        self, method: str, path: str, body: Any = None, token: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """(status, parsed JSON or raw body, headers). `body`: bytes as they are, else JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE_S)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            head = dict(headers or {})
            if token:
                head["Authorization"] = f"Bearer {token}"
            connection.request(method, path, data, head)
            response = connection.getresponse()
            raw = response.read()
            got = {name.lower(): value for name, value in response.getheaders()}
            parsed = json.loads(raw) if raw and got.get("content-type", "").startswith("application/json") else raw
            return response.status, parsed, got
        finally:
            connection.close()

    def raw(self, data: bytes, close: bool = False) -> bytes:
        """Sends bytes as they are, and returns all that comes back."""
        with socket.create_connection((self.host, self.port), DEADLINE_S) as sock:
            sock.sendall(data)
            if close:
                sock.shutdown(socket.SHUT_WR)
            out = b""
            while chunk := sock.recv(65536):
                out += chunk
            return out

    def hello(self, number: int = 1, boot_id: str = "boot-1") -> str:
        """Says hello and returns the token."""
        status, body, _ = self.call("POST", "/agent/hello", greeting(nonce=ticket(number), boot_id=boot_id))
        assert status == 200, body
        return str(body["token"])


def greeting(**fields: Any) -> dict[str, Any]:
    return {
        "boot_id": "boot-1",
        "environment": "sledgehammer",
        "uuid": "4c4c4544-0000",
        "serial": "S1",
        "macs": ["52:54:00:AA:00:01"],
        "arch": "x86_64",
        "address": "9.9.9.9",
        **fields,
    }


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE_S
    while not (found := what()):
        assert time.monotonic() < end, "that state did not come"
        time.sleep(0.005)
    return found
