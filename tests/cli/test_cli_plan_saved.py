"""A worked rack is saved as a plan, and the plan is committed on an empty store with the same machines."""

from __future__ import annotations

import hashlib
from getpass import getuser
from pathlib import Path

import pytest
from cli_store import CabledRack, Run, objects, plan_of
from msgspec import structs

from engine.core.plan.diff import diff
from engine.core.plan.save import saved
from engine.core.roles.attributes import inputs, layers
from engine.core.world.world import World
from engine.definitions import Json, versions
from engine.events import SetAttribute
from engine.files.catalog import shipped
from engine.files.plan_file import read, write
from engine.plan import BarclampPin, Versions
from engine.runtime.engine import Engine

SETTINGS: tuple[tuple[str, str, Json], ...] = (
    ("control-10/bios-configure", "bios-wanted", {"numa": "disabled"}),
    ("control-10/ntp-client", "ntp-servers", ["10.0.0.7"]),
    ("compute-11", "raid-wanted", {"level": "raid0"}),
    ("compute-12/os-install", "root-disk", "DISK3B"),
)


def worked() -> CabledRack:
    """A finished rack on which an operator set values for nodes and for roles of them, each as soon as its node is allocated."""
    rack = CabledRack(shipped(), plan_of(), nodes=3, seed=5)
    left = list(SETTINGS)
    while left:
        assert rack.run(lambda: any(one[0].split("/")[0] in rack.world.names for one in left)), "\n".join(rack.state())
        for one in [one for one in left if one[0].split("/")[0] in rack.world.names]:
            rack.feed(SetAttribute(who="op", layer="operator", scope=one[0], name=one[1], value=one[2]))
            left.remove(one)
    assert rack.run(), "\n".join(rack.state())
    return rack


def set_values(world: World) -> set[tuple[str, str, str]]:
    """`NODE` or `NODE/ROLE`, attribute and value of all that operators or the plan's rules set, by the nodes' names."""
    out = set()
    for value in world.attributes.values():
        node, slash, role = value.scope.partition("/")
        if value.layer in ("operator", "role", "rule") and node in world.nodes:
            out.add((world.nodes[node].name.split(".")[0] + slash + role, value.name, repr(value.value)))
    return out


def seen(world: World) -> dict[tuple[str, str], dict[str, Json]]:
    """(Node's name, role) -> all that the role reads."""
    return {(world.nodes[key[0]].name, key[1]): inputs(world, role) for key, role in world.node_roles.items()}


def test_the_saved_plan_on_an_empty_store_wants_the_same() -> None:
    rack = worked()
    before = rack.world
    kept = saved(before)
    assert kept is not None
    again = CabledRack(shipped(), read(write(kept), "saved.yml", shipped()), nodes=3, seed=99)
    assert again.run(), "\n".join(again.state())
    found = diff(again.world, read(write(kept), "saved.yml", shipped()))
    assert (found.same, found.plan, found.roles, found.chosen, found.above, found.versions) == (True, (), (), (), (), ())
    assert set_values(again.world) == set_values(before) == {(scope, name, repr(value)) for scope, name, value in SETTINGS}
    assert seen(again.world) == seen(before)
    assert saved(again.world) == kept
    ntp = next(r for k, r in again.world.node_roles.items() if k == (again.world.names["control-10"], "ntp-client"))
    assert list(layers(again.world, ntp, "ntp-servers"))[-1] == ("rule", "plan", ["10.0.0.7"])


def test_a_setting_of_a_role_is_saved_from_the_command_line(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    assert crowbar("set", "control-10/ntp-client", "ntp-servers", '["10.0.0.7"]')[0] == 0
    assert crowbar("set", "admin/ntp-server", "ntp-upstream", '["10.9.9.9"]')[0] == 0
    file = tmp_path / "saved.yml"
    code, out, err = crowbar("plan", "save", str(file))
    assert (code, out) == (0, f"{file}: 5 rules, 2 networks\n")
    admin = engine.world.nodes["admin"].name
    assert err == f"crowbar: not in the saved plan: settings of {admin}, which no rule of a plan matches: ntp-server/ntp-upstream\n"
    text = file.read_text(encoding="utf-8")
    assert "10.9.9.9" not in text
    rule = next(rule for rule in read(text, "saved.yml", shipped()).rules if rule.name == "control-10")
    assert rule.match == {"rack": "r1", "place": 10}
    assert {role: one.attributes for role, one in rule.roles.items()} == {"ntp-client": {"ntp-servers": ["10.0.0.7"]}}
    assert read(text, "saved.yml", shipped()).secrets == {"bmc-password": {"env": "CROWBAR_BMC_PASSWORD"}}
    assert crowbar("plan", "check", str(file))[0] == 0
    assert crowbar("commit", str(file))[:2] == (0, "committed\n")
    code, out, _ = crowbar("plan", "diff", str(file))
    beside = f"beside the plan: admin/ntp-server ntp-upstream: {getuser()} set [10.9.9.9]; the plan has none"
    assert (code, out.splitlines()) == (0, ["no difference: this plan is the current revision 2", f"  {beside}"]), "no plan can hold it"


def test_versions_that_differ_are_named_and_refuse_nothing(
    engine: Engine, crowbar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    for name in ("debian-12", "loader", "rocky-9"):
        (images / name).mkdir(parents=True)
        (images / name / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    monkeypatch.setenv("CROWBAR_IMAGES", str(images))
    plan = read(crowbar("plan", "save")[1], "saved.yml", shipped())
    assert plan.versions is not None
    assert {name: (pin.version, pin.sha256) for name, pin in plan.versions.barclamps.items()} == versions(shipped())
    assert plan.versions.images.keys() == {"debian-12", "loader"}, "what its servers boot and install, and nothing else"
    sums = {name: hashlib.sha256((images / name / "SHA256SUMS").read_bytes()).hexdigest() for name in ("debian-12", "loader")}
    assert plan.versions.images == sums
    file = tmp_path / "saved.yml"
    file.write_text(write(plan), encoding="utf-8")
    assert "here" not in crowbar("plan", "check", str(file))[1]

    pins = Versions(barclamps=plan.versions.barclamps | {"ntp": BarclampPin(version="7")}, images=sums | {"loader": "f" * 64})
    file.write_text(write(structs.replace(plan, versions=pins)), encoding="utf-8")
    (images / "debian-12" / "SHA256SUMS").unlink()
    lines = [
        "barclamp ntp is version 2 here, the plan was saved with 7",
        f"image debian-12 is not here, the plan was saved with {sums['debian-12'][:12]}",
        f"image loader is {sums['loader'][:12]} here, the plan was saved with ffffffffffff",
    ]
    code, out, _ = crowbar("plan", "check", str(file))
    assert (code, [line.strip() for line in out.splitlines()[1:]]) == (0, lines)
    assert objects(crowbar("plan", "check", str(file), "--json")[1])[-1]["versions"] == lines
    assert [line.strip() for line in crowbar("plan", "diff", str(file))[1].splitlines() if line.strip() in lines] == lines
    assert objects(crowbar("plan", "diff", str(file), "--json")[1])[-1]["versions"] == lines
    code, out, err = crowbar("commit", str(file))
    assert (code, out, err.splitlines()) == (0, "committed\n", [f"crowbar: {line}" for line in lines])
    assert crowbar("commit", "--revision", "2")[2].splitlines() == [f"crowbar: {line}" for line in lines]
    assert crowbar("commit", "--revision", "1")[2] == "", "a plan without versions is as before"

    file.write_text(write(plan).replace("plan: 1", "plan: 2"), encoding="utf-8")
    code, _, err = crowbar("commit", str(file))
    assert (code, "versions.plan: plan format 2 is unknown: this program reads format 1" in err) == (2, True)
