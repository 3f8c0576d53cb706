"""Makes the fixtures of a version, at its release: `python tests/releases/keep_version.py` writes three files beside it.

The archive holds what people keep of a version:

    store/  store.keys/     a store with nodes, roles in every state, values in every layer, three revisions and their journal; its keys
    journal.jsonl.gz        that journal, exported
    plans/  scenarios/      the shipped ones, and the plan of the store

`VERSION.rack.yml` is the file of a rehearsal rack of two machines.

The JSON beside it is what this version says of the store (`says`). Nobody edits or makes these files again once the version is released:
each later version opens them, and says the same.

The rack is that of `tests/core`, with the shipped barclamps: the same seed gives the same store. States and records that do not come up
in its run are put into the store in one last journal row. The keys are new ones each time. The one secret is `PLANTED`.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import shutil
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cli"))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "past"))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "core"))

from cli_store import PLAN, CabledRack, plan_of
from msgspec.structs import replace
from runs import record

from engine import reasons
from engine.core.roles.attributes import LAYERS
from engine.core.roles.stages import node_state
from engine.core.roles.transitions import Now, in_state, state_of
from engine.core.world.load import load_world
from engine.core.world.world import World
from engine.events import Commit, Happened, Operate, SetAttribute, Tick
from engine.files.catalog import shipped
from engine.files.plan_file import read_file
from engine.files.plan_write import write
from engine.model import Bmc, Kind, Lease, Node, NodeRole, Place, PowerOff, Row, Sighting, Value
from engine.racks.kinds import render
from engine.rehearsal.session import Rehearsal, _free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.journal_file import export
from engine.store.schema import CODECS
from engine.store.store import Store
from engine.views.past import Past
from engine.wire.reach import Reach

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODES, SEED = 4, 20
WALL = 1000.0
PLANTED = "planted-not-a-secret"
LATER = PLAN.replace("{raid-wanted: {level: raid1}}", "{raid-wanted: {level: raid0}}") + "expect: {nodes: 4}\n"
MOMENTS = 8
"""So many moments of the journal are told of."""


def rack() -> CabledRack:
    """Four machines: two come up, one has a role that fails, one loses its power in the middle. Two plans, and what an operator did."""
    made = CabledRack(shipped(), plan_of(), nodes=NODES, seed=SEED, check=False)
    made.machines[2].fails = {"raid-configure": 99}
    made.run(seconds=600.0)
    made.feed(Commit(who="ada", plan=plan_of(LATER)))
    made.feed(SetAttribute(who="ada", layer="operator", scope="n1", name="ntp-upstream", value=["10.0.0.9"]))
    made.feed(SetAttribute(who="ada", layer="deployment", scope="cloud", name="ntp-upstream", value=["10.0.0.8"]))
    made.feed(SetAttribute(who="ada", layer="hint", scope="n2", name="raid-wanted", value={"level": "raid1"}))
    made.run(until=lambda: made.world.nodes["n1"].stage == "system", seconds=7200.0)
    made.machines[3].reachable = False
    made.run(seconds=900.0)
    made.feed(Operate(who="grace", verb="hold", node="n2"))
    made.feed(Commit(who="grace", plan=plan_of()))
    return made


def rare() -> list[Row]:
    """Records that the run does not come to: each state of a node role, each layer, each kind of node, lease and client."""
    roles = sorted(shipped().roles)
    out: list[Row] = []
    for i, now in enumerate(Now):
        node = f"n{20 + i // len(roles)}"
        failure = reasons.script_failed(role=roles[i % len(roles)], exit=3, line="broken") if now.value.startswith("error") else None
        common: dict[str, Any] = {
            "deployment": "cloud",
            "revision": 2,
            "rank": 12.5,
            "attempt": f"i5-{i}",
            "try_hash": "a" * 32,
            "since": WALL,
        }
        role = NodeRole(node=node, role=roles[i % len(roles)], tries=i % 3, failure=failure, approved="ada", **common)
        out.append(in_state(role, now))
    for number in sorted({int(role.node[1:]) for role in out if isinstance(role, NodeRole)}):
        out.append(
            Node(
                id=f"n{number}",
                name=f"control-{number}.r1.test",
                serial=f"SN{number}",
                identity="serial",
                place=Place(rack="r1", unit=number),
                group="control",
                stage="hardware",
                bmc=Bmc(address=f"10.0.1.{number}", protocol="redfish", clock_off_s=-7200),
                allocated=True,
                hold=True,
                off=PowerOff(who="ada", done=True),
                notice=reasons.unreachable_node(node=f"n{number}", address="10.0.0.9", message="no route"),
            )
        )
    out.append(Node(id="n30", name="tor1.r1.test", kind=Kind.DEVICE, stage="system", alive=True))
    out.append(Node(id="n31", name="spare.r1.test", kind=Kind.JOINED, stage="system", address="10.0.0.77", available=False))
    for i, layer in enumerate(LAYERS):
        scope = "cloud" if layer in ("deployment", "setting") else "n20/raid-configure" if layer == "role" else "n20"
        out.append(Value(layer=layer, scope=scope, name="ntp-upstream", value=[f"10.0.2.{i}"], who="grace"))
    for i, state in enumerate(("offered", "bound", "declined", "foreign")):
        out.append(Lease(address=f"10.0.0.{70 + i}", mac=f"52:54:00:00:02:{i:02x}", network="admin", state=state, expires=9e5))  # type: ignore[arg-type]
    for i, kind in enumerate(("boot-rom", "ipxe", "sledgehammer", "installed", "bmc", "switch", "stranger")):
        waits = reasons.sighting_waits(mac=f"52:54:00:00:03:{i:02x}", signal="dhcp", expected="loader", seconds=60.0)
        out.append(
            Sighting(mac=f"52:54:00:00:03:{i:02x}", kind=kind, first=WALL, last=WALL + i, banned=i == 6, reason=waits, port="tor1:swp9")
        )
    return out


# -- what a version says of a store --------------------------------------------------------------------------------


def says(world: World, past: Past) -> dict[str, Any]:
    """The world in words and numbers that later versions keep: names, states, codes of reasons, values; and the same of some moments."""
    return {"now": present(world), "journal": {"last": past.last, "moments": moments(past)}}


def present(world: World) -> dict[str, Any]:
    return {
        "meta": {"installation": world.meta.installation, "nodes": world.meta.nodes, "attempts": world.meta.attempts},
        "nodes": {node.id: _node(world, node) for node in _sorted(world.nodes)},
        "roles": {"/".join(role.key): _role(role) for role in _sorted(world.node_roles)},
        "attributes": {" ".join(value.key): [value.value, value.who] for value in _sorted(world.attributes)},
        "leases": {lease.address: [lease.mac, lease.network, lease.state] for lease in _sorted(world.leases)},
        "allocations": {one.address: [one.node, one.network, one.range] for one in _sorted(world.allocations)},
        "sightings": {one.mac: [one.kind, one.node, one.banned, one.port, _code(one.reason)] for one in _sorted(world.sightings)},
        "deployments": {one.name: one.parent for one in _sorted(world.deployments)},
        "revisions": {str(one.number): [one.who, one.at, sorted(one.plan["deployments"])] for one in _sorted(world.revisions)},
    }


def moments(past: Past) -> dict[str, Any]:
    """Seq -> the state of each node, and how many node roles are in each state."""
    out = {}
    for seq in sorted({past.first + (past.last - past.first) * i // MOMENTS for i in range(1, MOMENTS + 1)}):
        world = past.world(seq)
        nodes = {node.id: node_state(world, node) for node in _sorted(world.nodes)}
        out[str(seq)] = [
            round(past.now(seq), 2),
            nodes,
            dict(sorted(Counter(state_of(r).value for r in world.node_roles.values()).items())),
        ]
    return out


def _sorted(records: Any) -> Iterator[Any]:
    return (record for _, record in sorted(records.items(), key=lambda item: str(item[0])))


def _code(reason: Any) -> str:
    return reason.code if reason is not None else ""


def _node(world: World, node: Node) -> dict[str, Any]:
    place = [node.place.rack, node.place.unit] if node.place else None
    plain = ("name", "serial", "macs", "identity", "group", "stage", "runs", "address", "alive", "available", "allocated", "hold", "boots")
    said = {name: getattr(node, name) for name in plain} | {"macs": list(node.macs), "kind": node.kind.value, "place": place}
    bmc = [node.bmc.address, node.bmc.protocol] if node.bmc else None
    return said | {"bmc": bmc, "state": node_state(world, node), "problem": _code(node.problem), "notice": _code(node.notice)}


def _role(role: NodeRole) -> dict[str, Any]:
    plain = ("deployment", "revision", "attempt", "leg", "action", "tries", "approved", "succeeded", "gave")
    return {name: getattr(role, name) for name in plain} | {"state": state_of(role).value, "failure": _code(role.failure)}


# -- the archive ---------------------------------------------------------------------------------------------------


def make(version: str, work: Path) -> None:
    store = work / "store"
    with Store.open(store) as kept:
        record(rack, kept)
        changes = [(table, codec.key_of(row), row) for row in rare() for table, codec in CODECS.items() if codec.record is type(row)]
        kept.commit([(Happened(WALL + kept.now(), kept.now(), Tick(subjects=())), changes)])
        export(kept, work / "journal.jsonl.gz", shipped(), version, WALL + kept.now())
        past = Past(kept, shipped())
        while past.read():
            pass
        said = says(load_world(shipped(), kept.load()), past)
    assert {role["state"] for role in said["now"]["roles"].values()} == {now.value for now in Now}
    assert {key.split()[0] for key in said["now"]["attributes"]} == set(LAYERS)
    keys(store, work / "copy")
    for folder in ("plans", "scenarios"):
        shutil.copytree(ROOT / "crowbar_tui" / folder, work / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (work / "plans" / "of-the-store.yml").write_text(PLAN, encoding="utf-8")
    (work / "plans" / "as-written.yml").write_text(write(plan_of(LATER)), encoding="utf-8")
    (HERE / f"{version}.json").write_text(json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    plan = read_file(work / "plans" / "six-nodes.yml", shipped())
    rack_of_two = Rehearsal(work / "copy" / "rack", plan, 2, 1, "max", "test", network="loopback").spec
    (HERE / f"{version}.rack.yml").write_text(render(replace(rack_of_two, lane=1)), encoding="utf-8")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(work.rglob("*")):
            name = path.relative_to(work)
            if path.is_file() and name.parts[0] != "copy" and path.suffix not in (".lock", ".db-shm"):
                tar.addfile(_member(str(name), path), io.BytesIO(path.read_bytes()))
    (HERE / f"{version}.tar.xz").write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def _member(name: str, path: Path) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = path.stat().st_size, path.stat().st_mode & 0o700
    return member


def keys(store: Path, copy: Path) -> None:
    """The keys and the sealed secret, as an engine makes them: one runs on a copy of the store."""
    shutil.copytree(store, copy / "store")
    engine = Engine(Config(store=copy / "store", keys=copy / "store.keys", reach=Reach(_free_lane("10.0.0.1", str(copy)))))
    engine.start()
    try:
        engine.adapters.vault.seal({"bmc-password": {"env": "PLANTED"}}, {"bmc-password": PLANTED})
    finally:
        engine.stop()
    shutil.copytree(copy / "store.keys", store.with_name("store.keys"))
    shutil.copy(copy / "store" / "sealed.json", store / "sealed.json")


def main() -> None:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    for name in (f"{found[1]}.tar.xz", f"{found[1]}.json", f"{found[1]}.rack.yml"):
        if (HERE / name).exists():
            raise SystemExit(f"{name} is there already: a released version keeps its fixtures; raise the version in pyproject.toml first")
    with tempfile.TemporaryDirectory() as work:
        make(found[1], Path(work))


if __name__ == "__main__":
    main()
