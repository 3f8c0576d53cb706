"""What scenes on a rack of QEMU machines share: a rehearsal in this process, waits for states with a deadline, SSH as the engine.

A scene is a program of its own, since it has to run in the rack's namespace; it prints one JSON object. The journal goes to standard error while
it grows. `rack_run.run` runs it for a test.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from engine.api.control import Story, plan_file, sentence, settled, shipped
from engine.api.running import Rehearsal, with_nodes
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.model import Kind, Node, State
from engine.racks import RehearsalRack
from engine.racks.process import ENDS_WITH

PLAN = "qemu-rack.yml"


def in_error(world: World) -> list[str]:
    """What waits for a person, which a scene has none of: a node's problem, a role in error. One sentence each."""
    out = [f"{node.name}: {sentence(node.problem)}" for node in world.nodes.values() if node.problem is not None]
    for role in world.node_roles.values():
        if role.state is State.ERROR:
            why = sentence(role.failure) if role.failure is not None else "no reason is told"
            out.append(f"{role.role} on {world.nodes[role.node].name}: {why}")
    return sorted(out)


def owner_is_gone() -> bool:
    """The test that started this scene has ended, so nobody reads what comes of it."""
    owner = os.environ.get(ENDS_WITH, "")
    return owner.isdigit() and not os.path.exists(f"/proc/{owner}")


class Scene:
    """One rack with an engine, from off; as a context manager. `attributes`: of the deployment; `machines`: fields of `QemuRackSpec`."""

    def __init__(
        self,
        store: Path,
        nodes: int = 1,
        attributes: dict[str, Any] | None = None,
        machines: dict[str, Any] | None = None,
        catalog: Catalog | None = None,
        change: Callable[[str], str] = str,
        scenario: str = "",
    ) -> None:
        """`catalog`: other barclamps than the shipped ones; `change`: of the plan's text; `scenario`: text of a scenario file. Begins anew in the rack's namespace."""
        self.store = store
        text = (importlib.resources.files("crowbar_tui") / "plans" / PLAN).read_text(encoding="utf-8")
        given = "attributes: {target-os: debian-12}"
        assert given in text
        text = text.replace(given, f"attributes: {json.dumps({'target-os': 'debian-12'} | (attributes or {}))}")
        plan = with_nodes(plan_file.read(change(text), PLAN, catalog or shipped()), nodes)
        self.nodes = nodes
        self.run = Rehearsal(store, plan, nodes, 1, "max", "tests", scenario=scenario, kind="qemu", machines=machines)
        words = self.run.way_in([sys.executable, *sys.argv])
        if words:
            os.execve(words[0], words, dict(os.environ))
        self.engine = self.run.engine
        if catalog is not None:
            self.engine.catalog = catalog
        self._story = Story()
        self._seq = 0

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self.run.__enter__()
        self._reader = self.engine.reader()
        return self

    def __exit__(self, *wrong: object) -> None:
        self._tell()
        self._reader.close()
        self.run.__exit__(*wrong)

    @property
    def rack(self) -> RehearsalRack:
        assert self.run.rack is not None
        return self.run.rack

    def servers(self) -> list[Node]:
        return [node for node in self.engine.world.nodes.values() if node.kind is Kind.SERVER]

    @property
    def node(self) -> Node:
        (one,) = self.servers()
        return one

    def until(self, so: Callable[[], Any], what: str, seconds: float, errors: bool = False) -> float:
        """Waits until something is so; the seconds that it took. Fails as soon as a node is in error, and says why; not where the scene is
        about that (`errors`)."""
        began = time.monotonic()
        while not so():
            wrong = [] if errors else in_error(self.engine.world)
            assert not wrong, f"{what} does not come: {'; '.join(wrong)[:2000]}"
            assert not owner_is_gone(), "the test that started this scene has ended"
            assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
            assert not self.engine.failure, self.engine.failure
            self._tell()
            self.engine.wait(self._seq, 0.5)
        self._tell()
        return round(time.monotonic() - began, 1)

    def ready(self, seconds: float) -> float:
        """From off to ready; the seconds since the rack was switched on."""
        self.until(lambda: settled(self.engine.world, self.nodes) in ("ready", "stuck"), "ready", seconds)
        assert settled(self.engine.world, self.nodes) == "ready", self.engine.world.nodes
        return round(time.monotonic() - self.began, 1)

    def attempts(self) -> dict[str, str]:
        """Role -> its last attempt, of those on the only node that destroy something: not done again by a boot, as others are that look after it."""
        world = self.engine.world
        roles = [world.node_roles[key] for key in world.roles_of[self.node.id] if world.catalog.roles[key[1]].destructive]
        return {role.role: role.attempt for role in roles}

    def cycled(self, seconds: float) -> dict[str, Any]:
        """The cord is pulled and put in again: until the same system is alive again, in another boot, and all is ready."""
        before, attempts = self.node, self.attempts()
        self.rack.ask("cycle", "m1")
        took = self.until(lambda: self.node.alive and self.node.boot_id != before.boot_id, "alive again", seconds)
        self.until(lambda: settled(self.engine.world, self.nodes) == "ready", "ready again", 300)
        after = self.node
        assert (after.runs, after.boots, after.problem) == (before.runs, before.boots + 1, None), after
        assert self.attempts() == attempts, "something was done again"
        return {"alive_s": took, "boot_id": after.boot_id}

    def ssh(self, command: str, stdin: str = "", address: str = "", seconds: float = 300) -> str:
        """What a command on an installed machine says, by the engine's key. Fails where it fails."""
        key = self.store.with_name(self.store.name + ".keys") / "engine_ed25519"
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=60", "LogLevel=ERROR"]
        words = ["ssh", "-F", "/dev/null", "-i", str(key), *(word for option in options for word in ("-o", option))]
        words += [f"root@{address or self.node.address}", command]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, (command[:200], done)
        return done.stdout

    def _tell(self) -> None:
        for row in self._reader.journal(self._seq):
            self._seq = row.seq
            print(json.dumps(self._story.tell(row)), file=sys.stderr, flush=True)
