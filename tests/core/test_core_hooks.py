"""What docs/barclamps.md says in place of the original's hooks on nodes: a role that collects hears of each node that comes, changes or goes."""

from __future__ import annotations

from typing import Any

from catalogs import USUAL, catalog, plan, role, same
from rack import Rack
from world_rig import WorldRig

from engine.core.roles.attributes import inputs_hash
from engine.core.roles.wishes import task_document
from engine.definitions import Collect
from engine.effects import Accept, Refuse, Start
from engine.events import Commit, Operate, SetAttribute
from engine.model import State
from engine.requests import Asker, Request

KINDS = catalog(
    role("dns-server", "system", "local", collects=(Collect(attribute="record", into="dns/records"),)),
    role("dns-client", "system", wants=["record"]),
    role("watcher", "system", "local", wants=["record"]),
    defaults={"record": "A"},
)
SERVER = ("n1", "dns-server")


def rig(nodes: int = 2) -> WorldRig:
    """A server that collected the records of all nodes but the first."""
    out = WorldRig(KINDS, plan())
    for number in range(1, nodes + 2):
        out.server(f"n{number}", stage="system", runs="debian-12", allocated=True, name=f"node-{number}.r1.example.net")
    out.role("dns-server", "n1", state=State.ACTIVE)
    for number in range(2, nodes + 2):
        out.role("dns-client", f"n{number}", state=State.WAITING)
    settled(out)
    return out


def settled(out: WorldRig) -> None:
    out.change("n1", "dns-server", ran_hash=inputs_hash(out.world, out.at("dns-server", "n1")))
    assert SERVER not in out.world.stale


def records(out: WorldRig) -> dict[str, Any]:
    found = task_document(out.world, out.at("dns-server", "n1"), {})["dns"]["records"]
    return {one["node"].partition(".")[0]: one["value"] for one in found}


def started(out: WorldRig) -> bool:
    return any(one.role == "dns-server" for one in out.all(Start) if one.node == "n1")


def test_on_node_create() -> None:
    """A rack of two: the server runs on the admin node from the first plan on, and again for each node that comes."""
    server = role("dns-server", "system", "local", flags=["bootstrap"], collects=(Collect(attribute="record", into="dns/records"),))
    client = role("dns-client", "system", wants=["record"], requires=(same("os-install"),))
    kinds = catalog(*USUAL.roles.values(), server, client, defaults={"record": "A", "raid-wanted": {"level": "raid1"}})
    rack = Rack(kinds, plan({"dns-client": ("all",)}), nodes=2, seed=1)
    assert rack.run(), "\n".join(rack.state())
    runs = [one for one in rack.effects if isinstance(one, Start) and one.role == "dns-server"]
    assert len(runs) >= 2
    key = ("admin", "dns-server")
    assert key not in rack.world.stale
    found = task_document(rack.world, rack.world.node_roles[key], {})["dns"]["records"]
    assert [one["node"].partition(".")[0] for one in found] == ["node-1", "node-2"]


def test_what_runs_only_on_the_admin_node() -> None:
    """A plan cannot place it on servers, and whoever requires it finds it on the admin node."""
    server = role("log-server", "system", "local", flags=["admin"], gives=("log-server",))
    sender = role("sender", "system", wants=["log-server"], requires=(same("os-install"),))
    beside = role("beside", "system", requires=(same("log-server"),))
    out = WorldRig(
        catalog(*USUAL.roles.values(), server, sender, beside, defaults={"raid-wanted": {"level": "raid1"}}), plan({"sender": ("all",)})
    )
    out.server("n1")
    out.feed(Operate(who="op", verb="allocate", node="n1"))
    assert ("admin", "log-server") in out.world.node_roles[("n1", "sender")].parents
    assert ("n1", "log-server") not in out.world.node_roles
    for wrong in ({"log-server": ("all",)}, {"log-server": ("node:node-1",)}, {"beside": ("all",)}):
        out.feed(Commit(request=Request(Asker.OPERATOR, 4), who="op", plan=plan(wrong)))
        refused = out.one(Refuse).reason
        assert (refused.code, refused.fields["role"]) == ("not_on_servers", "log-server")
    assert ("n1", "sender") in out.world.node_roles, "a refused plan changes nothing"
    out.feed(Commit(request=Request(Asker.OPERATOR, 5), who="op", plan=plan({"log-server": ("admin",)})))
    assert out.one(Accept)
    assert ("admin", "log-server") in out.world.node_roles


def test_on_node_change() -> None:
    out = rig()
    out.feed(SetAttribute(who="op", layer="operator", scope="n3", name="record", value="AAAA"))
    assert records(out) == {"node-2": "A", "node-3": "AAAA"}
    assert started(out)


def test_on_node_delete() -> None:
    out = rig()
    out.feed(Operate(who="op", verb="delete", node="n3"))
    assert "n3" not in out.world.nodes
    assert records(out) == {"node-2": "A"}
    assert started(out)


def test_on_node_change_of_one_node() -> None:
    out = rig(0)
    out.role("watcher", "n1", state=State.ACTIVE)
    out.change("n1", "watcher", ran_hash=inputs_hash(out.world, out.at("watcher", "n1")))
    out.feed(SetAttribute(who="op", layer="operator", scope="n1", name="record", value="AAAA"))
    assert [one.role for one in out.all(Start)] == ["watcher"]
