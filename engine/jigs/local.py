"""Jig `local`: runs roles on the admin node itself, with the same `attempt` tool as on nodes.

So it makes the same promises: the same id never starts twice, the task survives the engine (own session, own process group), the outcome
is kept until acknowledged, and a task that runs when the machine goes down is lost. Its records are in `HOME/attempts`.

The tool gets a bare environment: values of the engine's environment (BMC accounts, for example) do not reach scripts. CROWBAR_STATE is the
folder of the daemons that roles run here (`images/node/service`). By CROWBAR_ROLE, the role's name, that tool knows whose they are.
CROWBAR_REHEARSAL says what kind of rack this is. CROWBAR_SOURCES, CROWBAR_HIDES, CROWBAR_PYTHON and CROWBAR_CODE are for `engine.sources`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .. import reasons
from . import Submit
from .detached import ChannelLost, Detached, Progress, ignore_progress
from .leg_report import Seen, parse_seen
from .logs import Logs
from .order import Order

CALL_S = 60.0
"""Seconds. A call of the tool returns in well under a second, unless a disk is dying."""
SERVICE = Path(__file__).resolve().parents[2] / "images" / "node" / "service"
ATTEMPT = Path(__file__).resolve().parents[2] / "images" / "node" / "attempt"
CODE = Path(__file__).resolve().parents[2]
"""Folder of this program, for scripts that run a part of it."""


class Daemons(Struct, frozen=True, kw_only=True):
    """What the tool `service` must know of the daemons that roles run on the admin node."""

    folder: Path
    """Their files, one folder for each."""
    rehearsal: Literal["", "namespace", "loopback"] = ""
    """Empty: a real rack. `loopback`: there is no network for daemons, so none runs."""
    sources: Path | None = None
    """Folder of what is built from source. None: beside `folder`."""
    hidden: tuple[Path, ...] = ()
    """Folders that no build may see."""
    owner: Path | None = None
    """A file with the id of the process that they end with. None: the engine itself. Daemons that systemd runs outlive it."""

    def environment(self) -> dict[str, str]:
        out = {"CROWBAR_STATE": str(self.folder), "CROWBAR_REHEARSAL": self.rehearsal}
        out["CROWBAR_SOURCES"] = str(self.sources or self.folder.with_name("sources"))
        out["CROWBAR_HIDES"] = ":".join(map(str, self.hidden))
        out |= {"CROWBAR_PYTHON": sys.executable, "CROWBAR_CODE": str(CODE)}
        ends_with = os.getpid()
        if self.owner is not None:
            with suppress(OSError, ValueError):  # it has ended just now
                ends_with = int(self.owner.read_text(encoding="ascii"))
        return out | {"CROWBAR_LIVES_WITH": str(ends_with)}


class LocalChannel:
    """`attempt` as a child process. `home` holds its records; `root` prefixes the paths of scripts (tests and rehearsals)."""

    def __init__(self, home: Path, root: str = "", tool: Path = ATTEMPT, daemons: Daemons | None = None) -> None:
        self._home = home.absolute()  # the tool runs in /
        self._root = root
        self._tool = tool
        self._daemons = daemons or Daemons(folder=self._home / "services", rehearsal="loopback")
        home.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self, order: Order, task: bytes, timeout_s: int, patience_s: int, acked: Sequence[str]) -> Seen:
        return parse(order, self._call(order, ["start", order.attempt, str(timeout_s), str(patience_s), *acked], task))

    def look(self, order: Order, offset: int) -> Seen:
        return parse(order, self._call(order, ["wait", order.attempt, "0", str(offset)]))

    def read_log(self, order: Order, offset: int) -> bytes:
        return self._call(order, ["log", order.attempt, str(offset)])

    def forget(self, order: Order) -> None:
        self._call(order, ["ack", order.attempt])

    def _call(self, order: Order, words: list[str], stdin: bytes = b"") -> bytes:
        path = os.pathsep.join((str(self._tool.parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        environment = {"PATH": path, "CROWBAR_HOME": str(self._home), "CROWBAR_ROOT": self._root, "LANG": "C.UTF-8"}
        environment |= self._daemons.environment() | {"CROWBAR_ROLE": order.role.name}
        try:
            done = subprocess.run(
                ["/bin/sh", str(self._tool), *words],
                input=stdin,
                capture_output=True,
                env=environment,
                cwd="/",
                timeout=CALL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ChannelLost(_lost(order, f"the attempt tool cannot be called: {error}")) from None
        if done.returncode not in (0, 1):
            said = done.stderr.decode("utf-8", "replace").strip()[:200]
            raise ChannelLost(_lost(order, f"the attempt tool ended with exit code {done.returncode}: {said}"))
        return done.stdout


def parse(order: Order, printed: bytes) -> Seen:
    """What the tool printed. Raises ChannelLost."""
    try:
        return parse_seen(printed, order.attempt)
    except ValueError as error:
        raise ChannelLost(_lost(order, str(error))) from None


def _lost(order: Order, message: str) -> reasons.Reason:
    return reasons.unreachable_node(node=order.node.name or order.node.id, address="this machine", message=message)


class LocalJig(Detached):
    """Runs roles here. Few at a time: the engine limits them by the resource `admin`."""

    def __init__(
        self,
        submit: Submit,
        logs: Logs,
        home: Path,
        *,
        root: str = "",
        daemons: Daemons | None = None,
        workers: int = 4,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(
            submit, logs, LocalChannel(home, root, daemons=daemons), workers=workers, name="jig-local", progress=progress, acks_wait=True
        )
