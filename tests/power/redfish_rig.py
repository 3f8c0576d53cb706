"""For tests of Redfish: a driver with short time limits, and a service that answers exactly as the test says."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.power import Pace
from engine.power.certificates import Certificates
from engine.power.gate import Gates, Limits
from engine.power.redfish import RedfishPower, RedfishTarget
from engine.racks.bmc.redfish import certificate

SYSTEM, RESET = "/redfish/v1/Systems/1", "POST /redfish/v1/Systems/1/Actions/Reset"
EAGER = Limits(burst=1000)
QUICK = Pace(rest_s=0.0, poll_s=0.05)
IMPATIENT = Pace(total_s=1.5, web_s=1.5, soft_s=1.5, sensors_s=1.5, greet_s=0.3, rest_s=0.0, poll_s=0.05)
"""For a BMC that says nothing. On a loaded machine one that answers may need longer."""
FALLS_SILENT = Pace(total_s=4.0, web_s=4.0, soft_s=4.0, sensors_s=4.0, greet_s=4.0, rest_s=0.0, poll_s=0.05)
"""For a BMC that greets and then says nothing: the greeting has as much time as the call."""
ONE_LOOK = Pace(total_s=60.0, web_s=60.0, soft_s=60.0, sensors_s=60.0, greet_s=60.0, rest_s=0.0, poll_s=480.0)
"""For a BMC that answers and does not obey: all the time that it needs, and what it did is read back once, since the next look would be too
late (a pause begins at an eighth of `poll_s`)."""


def redfish(
    port: int, pace: Pace = QUICK, *, host: str = "127.0.0.1", certificates: Certificates | None = None, **target: Any
) -> RedfishPower:
    given = RedfishTarget(**{"address": host, "port": port, "user": "root", "password": "calvin"} | target)
    return RedfishPower(given, gates=Gates(limits=EAGER), certificates=certificates or Certificates(), pace=pace)


def system(**more: Any) -> dict[str, Any]:
    """A ComputerSystem that is off and has all that is usual."""
    return {
        "@odata.id": "/redfish/v1/Systems/1",
        "PowerState": "Off",
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"},
        "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1/Actions/Reset"}},
    } | more


USUAL: dict[str, Any] = {
    "GET /redfish/v1/": {"RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}},
    "GET /redfish/v1/Systems": {"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]},
    "GET /redfish/v1/Systems/1": system(),
    "PATCH /redfish/v1/Systems/1": {},
    "POST /redfish/v1/Systems/1/Actions/Reset": {},
}
"""A service without sessions, which knows nobody and lets everybody in."""


class Raw(bytes):
    """Octets that are sent as they are."""


Reply = Raw | dict[str, Any] | tuple[int, dict[str, str], Any] | Callable[["Service"], Any]


class Service:
    """A Redfish service on one thread, one connection after another: `METHOD PATH` -> an object, (status, headers, object), octets, or what
    a function says. `seen`: what was asked, with headers and body."""

    def __init__(self, folder: Path, replies: dict[str, Any] | None = None) -> None:
        self.replies: dict[str, Any] = USUAL | (replies or {})
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate(folder))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        with socket.create_connection(("127.0.0.1", self.port)):
            self._thread.join()
        self._listener.close()

    def asked(self, what: str) -> list[tuple[dict[str, str], Any]]:
        return [(headers, body) for line, headers, body in self.seen if line == what]

    def _run(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            if self._stopping:
                plain.close()
                return
            self.connections += 1
            plain.settimeout(60)
            try:
                with self._context.wrap_socket(plain, server_side=True) as sock, sock.makefile("rb") as lines:
                    while self._turn(sock, lines):
                        pass
            except (OSError, ssl.SSLError):  # the client has had enough
                plain.close()

    def _turn(self, sock: ssl.SSLSocket, lines: Any) -> bool:
        first = lines.readline().decode().split()
        if not first:
            return False
        headers = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = lines.read(int(headers.get("content-length", 0)))
        what = f"{first[0]} {first[1]}"
        self.seen.append((what, headers, json.loads(body) if body else None))
        reply = self.replies.get(what, (404, {}, {}))
        reply = reply(self) if callable(reply) else reply
        if isinstance(reply, Raw):
            sock.sendall(reply)
            return False
        status, more, said = reply if isinstance(reply, tuple) else (200, {}, reply)
        content = json.dumps(said).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in ({"Content-Length": str(len(content))} | more).items())
        sock.sendall(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content)
        return more.get("Connection") != "close"


class Obeys:
    """Replies of a service whose system does what it is told."""

    def __init__(self, **more: Any) -> None:
        self.now = system(**more)
        self.refuses: Callable[[dict[str, Any]], Any] = lambda _: None

    def replies(self) -> dict[str, Any]:
        return {f"GET {SYSTEM}": lambda _: self.now, f"PATCH {SYSTEM}": self.patch, RESET: self.reset}

    def patch(self, service: Service) -> Any:
        body = service.seen[-1][2]
        refused = self.refuses(body)
        if refused is None:
            self.now |= body | {"Boot": self.now["Boot"] | body.get("Boot", {})}
        return refused or {}

    def reset(self, service: Service) -> Any:
        self.now["PowerState"] = {"On": "On", "ForceOn": "On"}.get(service.seen[-1][2]["ResetType"], "Off")
        return {}
