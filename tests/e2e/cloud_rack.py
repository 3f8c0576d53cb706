"""A shipped cloud on a simulated rack, with the engine in this process; and what its journal says of the order of the roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from crowbar_process import PATIENCE_S, stop_rack, wait_until

from engine.api.rehearsals import beside, plan_path, rehearsed
from engine.core.operator.verbs import Verb
from engine.core.roles.annealer import blockers
from engine.core.roles.derive import done
from engine.effects import Accept
from engine.events import Operate
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Kind, Node, NodeRole, State
from engine.plan import Plan
from engine.rehearsal.session import Rehearsal
from engine.store.store import Store
from engine.views.summary import settled
from engine.wire.reach import Reach

SEED = 1
DONE = ("active", "skipped")


def plan_of(name: str) -> Plan:
    file = plan_path(Path(name))
    return rehearsed(plan_file.read_file(file, shipped()), file, shipped())


class Cloud:
    def __init__(self, here: Rehearsal, nodes: int) -> None:
        self.here, self.nodes = here, nodes

    def role(self, node: str, role: str) -> NodeRole | None:
        """By the short name of the node."""
        found = next((one for one in self.here.engine.world.nodes.values() if one.name.split(".")[0] == node), None)
        return None if found is None else self.here.engine.world.node_roles.get((found.id, role))

    def reasons(self, node: str, role: str) -> set[str]:
        """Codes of what a role waits for."""
        found = self.role(node, role)
        return {one.code for one in blockers(self.here.engine.world, found)} if found is not None else set()

    def node(self, name: str) -> Node:
        return next(one for one in self.here.engine.world.nodes.values() if one.name.split(".")[0] == name)

    def state(self, node: str, role: str) -> State | None:
        found = self.role(node, role)
        return None if found is None else found.state

    def machine(self, node: str) -> str:
        """The rack's name of a node's machine."""
        return self.machine_of(self.node(node))

    def machine_of(self, node: Node) -> str:
        assert self.here.rack is not None
        serial = node.serial
        return str(next(one["name"] for one in self.here.rack.machines() if one["serial"] == serial))

    def until(self, so: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        wait_until(so, lambda: "\n".join(self._waits()), timeout_s)

    def order(self, verb: Verb, node: Node, value: str = "") -> None:
        """An operator's verb, which the engine accepts."""
        said = self.here.engine.ask(Operate(request=None, who="test", verb=verb.name, node=node.id, value=value or None))
        assert isinstance(said, Accept), said

    def http(self, verb: str, node: str, port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """What a service of that node answers: status and body. Status 0: nothing answers."""
        found = self.node(node).address
        link = HTTPConnection(*Reach(self.here.spec.lane)(found, port), timeout=60)
        try:
            link.request(verb, path, body)
            said = link.getresponse()
            return said.status, said.read()
        except OSError:
            return 0, b""
        finally:
            link.close()

    def done(self, role: str, *nodes: str) -> bool:
        """True if the role is done on these nodes."""
        found = [self.role(node, role) for node in nodes]
        return all(one is not None and done(self.here.engine.world, one) for one in found)

    def ready(self) -> None:
        self.until(lambda: settled(self.here.engine.world, self.nodes) == "ready")

    def _waits(self) -> list[str]:
        world = self.here.engine.world
        nodes = [f"{one.name}: {one.stage} {one.runs} {one.boot} {one.problem}" for one in world.nodes.values()]
        return [*nodes, *(f"{key} {role.state} {role.failure}" for key, role in world.node_roles.items() if role.state != State.ACTIVE)]


@contextmanager
def cloud(
    store: Path, name: str = "openstack-six", nodes: int = 6, speed: float | str = "max", leave: bool = False, plan: Plan | None = None
) -> Iterator[Cloud]:
    """`leave`: the rack runs on afterwards. `plan`: another one than that of the name."""
    sizes: dict[str, Any] = beside(plan_path(Path(name))).sizes()
    here = Rehearsal(store, plan or plan_of(name), nodes, SEED, speed, "test", network="loopback", machines={"machines": sizes})
    with here:
        here.leave = leave
        try:
            yield Cloud(here, nodes)
        except BaseException:
            here.leave = False
            raise
    if not leave:
        stop_rack(store)


def out_of_order(store: Path, order: list[tuple[str, str]]) -> list[str]:
    """Each role began while another one, that comes before it, was not done on a node that had it."""
    states: dict[tuple[str, str], str] = {}
    wrong = []
    with Store.read(store) as reader:
        rows = reader.journal(0, 1_000_000)
    for row in rows:
        begins = []
        for table, key, body in row.rows:
            if table != "node_roles" or not isinstance(key, list):
                continue
            place = (str(key[0]), str(key[1]))
            new = str(body["state"]) if body is not None else ""
            if new == State.TRANSITION.value and states.get(place) == State.WAITING.value:
                begins.append(place[1])
            states[place] = new
        for before, after in order:
            late = [node for (node, role), state in states.items() if role == before and state and state not in DONE]
            if after in begins and late:
                wrong.append(f"row {row.seq}: {after} begins, and {before} is not done on {', '.join(late)}")
    return wrong


def servers(store: Path) -> list[Node]:
    with Store.read(store) as reader:
        return [one for one in reader.load()["nodes"].values() if isinstance(one, Node) and one.kind is Kind.SERVER]


def attempts(store: Path) -> dict[tuple[str, str], str]:
    with Store.read(store) as reader:
        found = reader.load()["node_roles"].values()
    return {one.key: f"{one.attempt}.{one.leg}" for one in found if isinstance(one, NodeRole)}


def revisions(store: Path) -> int:
    with Store.read(store) as reader:
        return len(reader.load()["revisions"])
