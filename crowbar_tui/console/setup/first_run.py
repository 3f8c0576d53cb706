"""What the first run knows: findings on this machine, the answers, and the plan that they make. The steps read it and add to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.api.control import Answers, Port, compose, keys_beside, mistakes
from engine.api.views import absolute

from ..pages.commit import preview_file
from ..session import Session
from .admin_node import AdminNode
from .field import Field


def _whole(path: str) -> str:
    """A path in the form for a plan: absolute, because the engine runs in another directory."""
    try:
        return str(absolute(Path(path))) if path else ""
    except RuntimeError:  # an unknown user's home: the reader of the plan reports it
        return path


class FirstRun:
    """`leave` ends the wizard. `track` chooses the later steps, by the name of the first choice."""

    def __init__(
        self,
        session: Session,
        admin: AdminNode,
        clock: Callable[[], float],
        leave: Callable[[], None],
        track: Callable[[str], None],
    ) -> None:
        self.session = session
        self.admin = admin
        self.clock = clock
        self.leave = leave
        self.track = track
        self.fields: Sequence[Field] = ()
        """Those of the site's forms."""
        self.ports: list[Port] = []
        self.port: Port | None = None
        self.deaf = ""
        """Why the wizard cannot hear LLDP. Empty: it listens."""
        self.systems: list[tuple[str, str]] = [(name, "") for name, i in sorted(session.world.catalog.images.items()) if i.kind == "system"]
        self.domain = admin.domain()
        self.folder = admin.folder()
        self.checking = False
        """Version of the findings about interfaces."""
        self._judged: tuple[Answers | None, dict[str, str]] = (None, {})
        session.work(admin.systems, self._took_systems)

    # -- answers -----------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, str]:
        return {f.key: f.value.strip() if not f.hidden else f.value for f in self.fields}

    def answers(self) -> Answers:
        v = self.values()
        own = v["bmc"] == "yes"
        source = v["password_from"]
        password = {"env": v["password"], "file": _whole(v["password_file"]), "typed": str(self._secret_file())}.get(source, "")
        return Answers(
            name=v["name"],
            domain=v["domain"],
            interface=self.port.name if self.port is not None else "",
            address=v["address"],
            subnet=v["subnet"],
            dhcp=v["dhcp"],
            host=v["host"],
            router=v["router"],
            bmc_subnet=v["bmc_subnet"] if own else "",
            bmc_host=v["bmc_host"] if own else "",
            user_from=v["user_from"] if source else "",
            user=_whole(v["user"]) if v["user_from"] == "file" else v["user"],
            password_from="file" if source == "typed" else source,
            password=password,
            nodes=v["nodes"],
            names=v["names"],
            wipe=v["wipe"],
            allocate=v["allocate"],
            system=v["system"],
        )

    def _secret_file(self) -> Path:
        return keys_beside(Path(self.session.snapshot_where)).absolute() / "bmc-password"

    def typed_secret(self) -> str:
        v = self.values()
        return v["password_typed"] if v["password_from"] == "typed" else ""

    def text(self) -> str:
        return compose(self.answers())

    def wrong(self) -> dict[str, str]:
        """Field -> its mistake. Computed once for each change of the answers."""
        answers = self.answers()
        if self._judged[0] != answers:
            self._judged = (answers, mistakes(answers, self.session.world.base))
        return self._judged[1]

    # -- what the machine says ---------------------------------------------------------------------------------------

    def _took_systems(self, found: Any) -> None:
        if not isinstance(found, Exception) and found:
            self.systems = found

    def look_ports(self, then: Callable[[str], None] = lambda _problem: None) -> None:
        if self.checking:
            return
        self.checking = True

        def took(found: Any) -> None:
            self.checking = False
            if isinstance(found, Exception):
                then(str(found))
                return
            self.ports, self.deaf = found
            if self.port is not None:
                self.port = next((p for p in self.ports if p.name == self.port.name), self.port)
            then("" if self.ports else "this machine has no network interface")

        self.session.work(lambda: (self.admin.ports(), self.admin.deaf()), took)

    def choose(self, interface: str) -> None:
        self.port = next((p for p in self.ports if p.name == interface), None)

    def take_file(self, path: str) -> None:
        """Commits an existing plan file."""
        self.leave()
        preview_file(self.session, path)
