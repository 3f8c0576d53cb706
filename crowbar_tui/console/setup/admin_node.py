"""What the wizard reads and writes on this machine. These functions may take time, so threads call them.

Heavy parts of the engine's API are imported only when needed: the console paints first.
"""

from __future__ import annotations

import importlib.resources
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.api.views import absolute

from ..snapshot import Said

if TYPE_CHECKING:
    from engine.api.control import Check, Port

LISTEN_S = 5.0
"""Seconds to wait for answers of foreign DHCP servers."""
ELSEWHERE = ("interface", "foreign DHCP")
"""Checks that have their own step."""


class AdminNode(Protocol):
    def checks(self) -> list[Check]:
        """Like `crowbar doctor`, without the checks of later steps."""
        ...

    def ports(self) -> list[Port]: ...
    def deaf(self) -> str:
        """Why the wizard cannot hear LLDP. Empty: it listens."""
        ...

    def servers(self, interface: str) -> list[str] | str:
        """Addresses of the DHCP servers that answered; or a sentence if it could not listen. Takes LISTEN_S."""
        ...

    def systems(self) -> list[tuple[str, str]]:
        """Name of each system image, and its fault (empty: none)."""
        ...

    def domain(self) -> str: ...
    def folder(self) -> Path: ...
    def secret(self, kind: str, name: str) -> str:
        """Why the secret cannot be read now. Empty: it can be read."""
        ...

    def keep(self, value: str) -> Path:
        """Writes a typed password to a file that no other user may read. Raises OSError."""
        ...

    def write(self, path: Path, text: str, over: bool) -> Said: ...
    def rehearsal(self, nodes: str, speed: str, scenario: str) -> list[str] | str:
        """The command for a rehearsal; or a sentence if none is possible."""
        ...

    def close(self) -> None: ...


class RealAdminNode:
    def __init__(self, store: Path) -> None:
        self._store = store
        self._interfaces: object = None

    def checks(self) -> list[Check]:
        from engine.api.control import RealProbes, examine

        return [check for check in examine(RealProbes(self._store, listen_s=0.0), "", "") if check.name not in ELSEWHERE]

    def ports(self) -> list[Port]:
        from engine.api.control import InterfaceWatch

        if not isinstance(self._interfaces, InterfaceWatch):
            self._interfaces = InterfaceWatch()
            self._interfaces.start()
        return self._interfaces.ports()

    def deaf(self) -> str:
        return getattr(self._interfaces, "deaf", "")

    def servers(self, interface: str) -> list[str] | str:
        from engine.api.control import RealProbes

        return RealProbes(self._store, listen_s=LISTEN_S).dhcp_servers(interface)

    def systems(self) -> list[tuple[str, str]]:
        from engine.api.control import image_states

        return [(str(i["name"]), str(i["reason"])) for i in image_states(self._store) if i["kind"] == "system"]

    def domain(self) -> str:
        """The name that this machine gives itself. Empty: none."""
        return socket.gethostname().partition(".")[2].lower()

    def folder(self) -> Path:
        """The proposed path of the plan: the current directory, or else beside the store."""
        here = Path.cwd()
        return here if os.access(here, os.W_OK) else self._store.parent

    def secret(self, kind: str, name: str) -> str:
        if kind == "env":
            return "" if os.environ.get(name) else f"{name} is not set in this console's environment"
        try:
            with open(absolute(Path(name)), "rb") as file:
                return "" if file.read(1) else f"{name} is empty"
        except (OSError, RuntimeError) as error:
            return f"{name}: {(getattr(error, 'strerror', None) or str(error)).lower()}"

    def keep(self, value: str) -> Path:
        from engine.api.control import keep_secret

        return keep_secret(self._store, "bmc-password", value)

    def write(self, path: Path, text: str, over: bool) -> Said:
        try:
            if not over and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
                return Said(False, f"{path} already exists", "over")
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            return Said(False, f"cannot write {path} ({(error.strerror or str(error)).lower()})", "press f and type another name")
        return Said(True, str(path))

    def rehearsal(self, nodes: str, speed: str, scenario: str) -> list[str] | str:
        from engine.api.control import held

        if scenario and int(nodes) < (least := machines_of(scenario)):
            return f"this needs {least} machines or more"
        command = ["rehearse", "--nodes", nodes, "--speed", speed]
        command += ["--scenario", scenario] if scenario else []
        store = self._store.with_name(f"{self._store.name}-rehearsal")
        if held(store):
            return "a rehearsal is already running: ctrl+q leaves, then crowbar opens it"
        return ["--store", str(store), *command, "--fresh"]

    def close(self) -> None:
        stop = getattr(self._interfaces, "stop", None)
        if stop is not None:
            stop()


def machines_of(scenario: str) -> int:
    """How many machines a shipped scenario needs: the highest number that it names."""
    text = (importlib.resources.files("crowbar_tui") / "scenarios" / f"{scenario}.yml").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return max((int(number) for line in lines for number in re.findall(r"\bm(\d+)\b", line)), default=1)
