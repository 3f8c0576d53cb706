"""Late binding downwards: what roles wish for the hardware of their node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogs import ADMIN, BMCS, USUAL, catalog, plan, role, same
from rack import Rack
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.roles.attributes import effective, inputs_hash, layers
from engine.definitions import Catalog
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate, SetAttribute
from engine.files.catalog import CatalogError, read
from engine.files.paths import shipped_folder
from engine.model import State
from engine.plan import Network, Plan, Range, Rule
from engine.reasons import Reason, sentence
from engine.requests import Asker, Request


def wishing(name: str, **hardware: Any) -> Any:
    return role(name, "system", hardware=hardware, requires=(same("os-install"),))


STORE: Catalog = catalog(
    *USUAL.roles.values(),
    wishing("swift-storage", **{"raid-wanted": {"level": "jbod"}, "bios-wanted": {"ahci": "on"}}),
    wishing("database", **{"raid-wanted": {"level": "raid10"}}),
    wishing("nova", **{"bios-wanted": {"vt": "on"}}),
    defaults={"bios-wanted": {}, "raid-wanted": {"level": "none"}, "ntp-upstream": []},
)


def rig(*roles: str, **more: Any) -> WorldRig:
    d = WorldRig(STORE, plan(dict.fromkeys(roles, ("all",)), **more))
    d.server("n1", hold=True)
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    return d


def test_the_choice_of_a_role_makes_the_raid() -> None:
    d = rig("swift-storage", "nova")
    assert effective(d.world, d.at("raid-configure"), "raid-wanted") == {"level": "jbod"}
    assert effective(d.world, d.at("bios-configure"), "bios-wanted") == {"vt": "on", "ahci": "on"}
    told = {layer: (who, value) for layer, who, value in layers(d.world, d.at("bios-configure"), "bios-wanted")}
    assert told["wish"] == ("nova, swift-storage", {"vt": "on", "ahci": "on"})


def test_the_role_that_carries_a_wish_out_is_required() -> None:
    what = catalog(
        role("raid-configure", "hardware", wants=["raid-wanted"]), role("store", "system", hardware={"raid-wanted": {"level": "jbod"}})
    )
    d = WorldRig(what, plan({"store": ("all",)}))
    d.server("n1", hold=True)
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    assert d.at("store").parents == (("n1", "raid-configure"),)


def test_wishes_that_contradict_each_other_are_refused_before_anything_runs() -> None:
    d = rig("swift-storage")
    told = diff(d.world, plan({"swift-storage": ("all",), "database": ("all",)}))
    assert told.refused is not None
    assert told.refused.code == "wishes_conflict"
    assert (told.refused.fields["role"], told.refused.fields["other"]) == ("swift-storage", "database")
    d.feed(Commit(request=Request(Asker.OPERATOR, 2), who="op", plan=plan({"swift-storage": ("all",), "database": ("all",)})))
    assert d.one(Refuse).reason == told.refused


def test_a_rule_decides_for_a_node() -> None:
    rules = (Rule(name="node-{number}", attributes={"raid-wanted": {"level": "raid1"}}),)
    d = rig("swift-storage", "database", rules=rules)
    assert d.one(Accept)
    assert effective(d.world, d.at("raid-configure"), "raid-wanted") == {"level": "raid1"}


def test_an_operator_decides_for_a_node() -> None:
    d = rig("swift-storage")
    d.feed(
        SetAttribute(
            request=Request(Asker.OPERATOR, 2), who="op", layer="operator", scope="n1", name="raid-wanted", value={"level": "raid0"}
        )
    )
    assert effective(d.world, d.at("raid-configure"), "raid-wanted") == {"level": "raid0"}


def test_another_choice_later_shows_what_would_be_undone() -> None:
    d = rig("swift-storage", "ready")
    d.change(role="inventory", gave={"disks": disks(4), "memory-mb": 1})
    for name in ("bios-configure", "raid-configure", "os-install"):
        d.change(role=name, state=State.ACTIVE, succeeded=True, ran_hash=inputs_hash(d.world, d.at(name)))
    d.change(stage="system")
    told = diff(d.world, plan({"database": ("all",), "ready": ("all",)}))
    wished = {one.what: (one.before, one.after) for one in told.chosen}
    assert wished == {"raid-wanted": ({"level": "jbod"}, {"level": "raid10"}), "bios-wanted": ({"ahci": "on"}, None)}
    assert {(one.role, one.what) for one in told.roles} >= {("raid-configure", "drift"), ("database", "new"), ("swift-storage", "gone")}
    costs = {one.what: [(cost.role, cost.how, cost.reboots, cost.wipes) for cost in one.costs] for one in told.chosen}
    assert costs == {
        "raid-wanted": [("raid-configure", "redeploy", True, ("sda", "sdb", "sdc", "sdd"))],
        "bios-wanted": [("bios-configure", "back", True, ())],
    }
    assert [cost.words for one in told.chosen for cost in one.costs] == [
        "bios-configure runs again if you approve the step back to stage hardware, which reboots the node",
        "raid-configure runs again only in a redeploy, which reboots the node and wipes sda, sdb, sdc, sdd",
    ]
    d.feed(Commit(who="op", plan=plan({"database": ("all",), "ready": ("all",)})))
    assert ("wish", "n1", "bios-wanted") not in d.world.attributes


def test_a_wish_that_changes_before_its_role_has_run_costs_nothing() -> None:
    d = rig("swift-storage", "ready")
    told = diff(d.world, plan({"database": ("all",), "ready": ("all",)}))
    assert [one.costs for one in told.chosen] == [(), ()]


def test_a_wish_that_changes_for_a_role_of_the_present_stage_needs_no_step_back() -> None:
    d = rig("nova", "ready")
    d.change(stage="hardware")
    d.change(role="bios-configure", state=State.ACTIVE, succeeded=True, ran_hash=inputs_hash(d.world, d.at("bios-configure")))
    (chosen,) = diff(d.world, plan({"ready": ("all",)})).chosen
    assert [(cost.how, cost.reboots) for cost in chosen.costs] == [("again", False)]


# -- what a machine has or not ------------------------------------------------------------------------------------------

BIG = catalog(
    *USUAL.roles.values(),
    role("swift", "system", "noop", machine={"disks.count": {"min": 4}, "disks.size": {"min": 4000}}, requires=(same("os-install"),)),
)


def disks(count: int, size: int = 10**12) -> list[dict[str, Any]]:
    return [{"name": f"sd{chr(97 + i)}", "size": size, "serial": f"D{i}", "wwn": f"0x{i}"} for i in range(count)]


def machine(found: list[dict[str, Any]] | None, wanted: Plan | None = None) -> WorldRig:
    d = WorldRig(BIG, wanted or plan({"swift": ("all",)}))
    d.server("n1", hold=True)
    gave = {} if found is None else {"disks": found}
    d.role("inventory", deployment="system", state=State.ACTIVE, gave=gave)
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    return d


@pytest.mark.parametrize(
    ("found", "lacks"),
    [
        (disks(4), None),
        (disks(3), ("disks.count", "at least 4", "3")),
        (disks(0), ("disks.count", "at least 4", "0")),
        (disks(4, 500), ("disks.size", "at least 4000", "2000")),
        (None, None),
    ],
)
def test_a_machine_that_lacks_what_a_role_wants_is_not_allocated_for_it(found: Any, lacks: Any) -> None:
    d = machine(found)
    if lacks is None:
        assert d.one(Accept)
        assert ("n1", "swift") in d.world.node_roles
        return
    refused = d.one(Refuse).reason
    assert refused.code == "machine_lacks"
    assert (refused.fields["fact"], refused.fields["wanted"], refused.fields["seen"]) == lacks
    assert refused.fields["role"] == "swift"
    assert not d.node().allocated


def test_a_preview_names_the_machine_that_lacks_something_before_anything_runs() -> None:
    d = machine(disks(2), plan({"ready": ("all",)}))
    told = diff(d.world, plan({"swift": ("all",)}))
    assert told.refused is not None
    assert sentence(told.refused) == (
        "role swift wants a machine whose disks.count is at least 4, and disks.count of node-1.r1.example.net is 2"
    )
    d.feed(Commit(request=Request(Asker.OPERATOR, 2), who="op", plan=plan({"swift": ("all",)})))
    assert d.one(Refuse).reason == told.refused


def test_a_disk_that_fails_later_does_not_bar_other_commits() -> None:
    d = machine(disks(4))
    d.change(role="inventory", gave={"disks": disks(3)})
    other = plan({"swift": ("all",), "ready": ("all",)})
    assert diff(d.world, other).refused is not None, "the role has not succeeded yet"
    d.change(role="swift", state=State.ACTIVE, succeeded=True)
    assert diff(d.world, other).refused is None


def test_a_wished_network_is_required_on_the_node(tmp_path: Path) -> None:
    found = written(tmp_path, "{networks: [admin, storage], disks: {count: 4, size: {min: 1000}}}")
    definition = found.roles["object-store"]
    assert definition.machine == {"disks.count": 4, "disks.size": {"min": 1000}}
    assert definition.requires == (same("network-admin"), same("network-storage"))
    storage = Network(name="storage", subnet="10.0.2.0/24", ranges={"host": Range(first="10.0.2.101", last="10.0.2.250")})
    for networks in ({"admin": ADMIN, "bmc": BMCS}, {"admin": ADMIN, "storage": storage}):
        d = WorldRig(found, plan({"object-store": ("all",)}, networks=networks))
        d.server("n1", hold=True)
        d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
        if "storage" not in networks:
            refused = Reason("network_unknown", {"role": "object-store", "network": "storage", "nearest": "admin, bmc"})
            assert d.one(Refuse).reason == refused
    assert {("n1", "network-admin"), ("n1", "network-storage")} <= set(d.at("object-store").parents)


def test_a_wish_does_not_move_with_a_node_that_is_replaced() -> None:
    rack = Rack(STORE, plan({"swift-storage": ("node:node-1",), "ready": ("all",)}), nodes=2, seed=3)
    assert rack.run(), "\n".join(rack.state())
    assert [key[1] for key in rack.world.attributes if key[0] == "wish" and key[2] == "raid-wanted"] == ["n1"]
    rack.indexes_agree()


# -- in a barclamp's file -----------------------------------------------------------------------------------------------

TEXT = """\
barclamp: {name: objects, version: 1, description: "Objects.", requires: [raid]}
roles:
  - {name: object-store, stage: system, jig: noop, hardware: %s}
"""


def written(folder: Path, hardware: str) -> Catalog:
    (folder / "objects").mkdir()
    (folder / "objects" / "barclamp.yml").write_text(TEXT % hardware)
    return read([shipped_folder("barclamps"), folder], [shipped_folder("images")], shipped_folder("engine") / "stages.yml")


@pytest.mark.parametrize(
    ("hardware", "wish"),
    [
        ("{raid: jbod}", {"raid-wanted": {"level": "jbod"}}),
        (
            "{raid: {level: raid1}, bios: {ProcVirtualization: Enabled}}",
            {"raid-wanted": {"level": "raid1"}, "bios-wanted": {"ProcVirtualization": "Enabled"}},
        ),
        ("{disk: sdb}", {"root-disk": "sdb"}),
    ],
)
def test_a_barclamp_says_what_its_role_wishes(tmp_path: Path, hardware: str, wish: Any) -> None:
    found = written(tmp_path, hardware)
    assert found.roles["object-store"].hardware == wish
    needs = {one.role for one in found.requirements("object-store")}
    assert needs >= {name for attribute in wish for name in found.readers[attribute]}


@pytest.mark.parametrize(
    ("hardware", "said"),
    [
        ("{raid: raid7}", "raid7"),
        ("{raid: 5}", "attribute raid-wanted"),
        ("{fans: loud}", "fans"),
        ("[raid]", "hardware"),
        ("{bios: {a: [1]}}", "bios-wanted.a"),
        ("{networks: storage}", "hardware.networks: expected a list of networks"),
        ("{networks: [Storage]}", "hardware.networks.0: expected a network's name"),
        ("{disks: 4}", "hardware.disks: expected a map with count, size"),
        ("{disks: {}}", "hardware.disks: expected at least one of count, size"),
        ("{disks: {cont: 4}}", "hardware.disks.cont: unknown fact 'cont'; did you mean 'count'?"),
        ("{disks: {count: many}}", "hardware.disks.count: expected a number, not 'many'"),
        ("{disks: {count: {least: 4}}}", "hardware.disks.count.least: unknown key"),
        ("{disks: {count: {min: 4, max: 2}}}", "min 4 is above max 2"),
    ],
)
def test_a_wish_that_no_hardware_can_have_is_a_mistake_of_the_file(tmp_path: Path, hardware: str, said: str) -> None:
    with pytest.raises(CatalogError) as caught:
        written(tmp_path, hardware)
    (mistake,) = caught.value.mistakes
    assert said in str(mistake)
    assert "barclamp.yml:3" in str(mistake)


def test_a_role_of_an_early_stage_cannot_wish_for_a_network(tmp_path: Path) -> None:
    """Networks are set up in the installed system."""
    folder = tmp_path / "objects"
    folder.mkdir()
    text = TEXT % "{networks: [storage]}"
    (folder / "barclamp.yml").write_text(text.replace("stage: system", "stage: hardware"))
    with pytest.raises(CatalogError) as caught:
        read([shipped_folder("barclamps"), tmp_path], [shipped_folder("images")], shipped_folder("engine") / "stages.yml")
    (mistake,) = caught.value.mistakes
    assert "role 'object-store' of stage 'hardware' would wait for 'network-storage' of later stage 'system'" in str(mistake)
