"""The jig `agent` with the engine's HTTP service, and the real agent of a node, which reaches it at one address whichever engine runs there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

from agent_rig import QUICK
from contract_sides import Side
from http_rig import Rig, ticket
from jig_orders import Inbox, order
from node_shell import NODE, Attempts, Shell

from engine.effects import Acknowledge
from engine.events import Event, Hello, Outcome
from engine.jigs import Jig
from engine.serve.http import Limits

BOOT = "boot-one"


class Passage:
    """A TCP port that leads to the one whose number is in a file; nowhere while the file is missing."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", int(self._to.read_text())))
            except (OSError, ValueError):
                near.close()
                continue
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Ends what is connected."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


class AgentEngine(Rig):
    """Tells each outcome once, as the core counts it, and acknowledges when a test says so."""

    def __init__(self, path: Path, inbox: Inbox) -> None:
        self._inbox = inbox
        self.told: set[tuple[str, str]] = set()
        super().__init__(path, Limits(poll_s=0.5, answer_s=0.5))
        self.boots["n1"] = BOOT

    def submit(self, event: Event) -> bool:
        if isinstance(event, Hello):
            return super().submit(event)
        if isinstance(event, Outcome) and not event.unreachable and (event.attempt, event.what) not in self.told:
            self.told.add((event.attempt, event.what))
            return self._inbox(event)
        return True


class Agent(Side):
    jig_name = "agent"
    reachable = True
    hears_a_cut = False  # the node asks; that it is silent, the engine sees by its calls

    def set_up(self) -> None:
        self.at = self.path / "engine.port"
        self.passage = Passage(self.at)
        self.rig: AgentEngine | None = None
        self._owner = os.getpid()
        machine = Attempts(Shell("dash", self.path), self.path / "node")
        (machine.root / "proc/cmdline").write_text(
            f"crowbar.url=http://127.0.0.1:{self.passage.port} crowbar.nonce={ticket(1)} crowbar.env=sledgehammer\n"
        )
        port = machine.root / "sys/class/net/eno1"
        (port / "device").mkdir(parents=True)
        (port / "address").write_text("52:54:00:00:00:01\n")
        words = [*machine.shell.words, str(NODE / "agent")]
        with (self.path / "said").open("wb") as said:
            self.agent = subprocess.Popen(
                words, env={**machine.env, **QUICK}, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )

    def made(self) -> Jig:
        if self.rig is not None and os.getpid() == self._owner:  # a forked engine has none of the threads of the one before
            self.rig.stop()
        self.rig = AgentEngine(self.path, self.inbox)
        self.at.write_text(str(self.rig.port))
        return self.rig.jig

    def start(self, attempt: str = "ab-1", **more: Any) -> None:
        assert self.rig is not None
        name = f"{attempt}.0"
        self.rig.told -= {(name, what) for _, what in self.rig.told}
        self.jig.start(order(name, folder=self.folder, node="n1", boot_id=BOOT, jig=self.jig_name, **more))

    def acknowledge(self, attempt: str = "ab-1") -> None:
        assert self.rig is not None
        self.rig.http.answer(Acknowledge(attempt=f"{attempt}.0", node="n1"))
        self.jig.acknowledge(f"{attempt}.0", "n1", BOOT)

    def cut(self) -> None:
        self.at.rename(self.path / "engine.cut")
        self.passage.drop()

    def mend(self) -> None:
        (self.path / "engine.cut").rename(self.at)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.agent.pid, signal.SIGKILL)
        self.agent.wait(30)
        if self.rig is not None:
            self.rig.stop()
        self.passage.close()
        super().close()
