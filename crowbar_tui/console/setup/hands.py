"""What the wizard looks at and writes on this machine. Everything here may take time, and is called from threads.

Heavy parts of the engine's face are imported when they are needed: the console paints first.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..source import Said

if TYPE_CHECKING:
    from engine.face import Check, Port

LISTEN_S = 5.0
"""Seconds for foreign DHCP servers to answer."""
ELSEWHERE = ("interface", "foreign DHCP")
"""Checks that have steps of their own."""


class Hands(Protocol):
    def checks(self) -> list[Check]:
        """As `crowbar doctor`, without what the later steps look at."""
        ...

    def ports(self) -> list[Port]: ...
    def deaf(self) -> str:
        """Why no LLDP is heard; empty: it is listened for."""
        ...

    def servers(self, interface: str) -> list[str] | str:
        """Addresses of the DHCP servers that answered; a sentence: it could not look. Takes LISTEN_S."""
        ...

    def systems(self) -> list[tuple[str, str]]:
        """Name of each system image, and what is wrong with it (empty: nothing)."""
        ...

    def domain(self) -> str: ...
    def folder(self) -> Path: ...
    def secret(self, kind: str, name: str) -> str:
        """Why the secret cannot be read now; empty: it can."""
        ...

    def keep(self, value: str) -> Path:
        """A password that was typed: to a file that nobody else may read. Raises OSError."""
        ...

    def write(self, path: Path, text: str, over: bool) -> Said: ...
    def rehearsal(self, nodes: str, speed: str, scenario: str) -> list[str] | str:
        """The command for a rehearsal; a sentence: it cannot be."""
        ...

    def close(self) -> None: ...


class RealHands:
    def __init__(self, store: Path) -> None:
        self._store = store
        self._survey: object = None

    def checks(self) -> list[Check]:
        from engine.face import RealProbes, examine

        return [check for check in examine(RealProbes(self._store, listen_s=0.0), "", "") if check.name not in ELSEWHERE]

    def ports(self) -> list[Port]:
        from engine.face import Survey

        if not isinstance(self._survey, Survey):
            self._survey = Survey()
            self._survey.start()
        return self._survey.ports()

    def deaf(self) -> str:
        return getattr(self._survey, "deaf", "")

    def servers(self, interface: str) -> list[str] | str:
        from engine.face import RealProbes

        return RealProbes(self._store, listen_s=LISTEN_S).dhcp_servers(interface)

    def systems(self) -> list[tuple[str, str]]:
        from engine.face import image_states

        return [(str(i["name"]), str(i["reason"])) for i in image_states(self._store) if i["kind"] == "system"]

    def domain(self) -> str:
        """Of this machine, as it calls itself; empty: it has none."""
        return socket.gethostname().partition(".")[2].lower()

    def folder(self) -> Path:
        """Where the plan is proposed to be written: here, else beside the store."""
        here = Path.cwd()
        return here if os.access(here, os.W_OK) else self._store.parent

    def secret(self, kind: str, name: str) -> str:
        if kind == "env":
            return "" if os.environ.get(name) else f"{name} is not set where this console was started"
        try:
            with Path(name).expanduser().open("rb") as file:
                return "" if file.read(1) else f"{name} is empty"
        except OSError as error:
            return f"{name}: {(error.strerror or str(error)).lower()}"

    def keep(self, value: str) -> Path:
        from engine.face import keys_beside

        folder = keys_beside(self._store)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder.absolute() / "bmc-password"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(value + "\n")
        return path

    def write(self, path: Path, text: str, over: bool) -> Said:
        try:
            if not over and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
                return Said(False, f"{path} is there already", "over")
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            return Said(False, f"{path} cannot be written ({(error.strerror or str(error)).lower()})", "press f and give another name")
        return Said(True, str(path))

    def rehearsal(self, nodes: str, speed: str, scenario: str) -> list[str] | str:
        from engine.face import held

        words = ["rehearse", "--nodes", nodes, "--speed", speed]
        words += ["--scenario", scenario] if scenario else []
        store = self._store.with_name(f"{self._store.name}-rehearsal")
        if held(store):
            return f"a rehearsal runs already: crowbar --store {store} opens it"
        return ["--store", str(store), *words, "--fresh"]

    def close(self) -> None:
        stop = getattr(self._survey, "stop", None)
        if stop is not None:
            stop()


