"""Late binding downwards: what roles wish for the hardware of their node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogs import USUAL, catalog, plan, role, same
from rack import Rack
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.roles.attributes import effective, layers
from engine.definitions import Catalog
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate, SetAttribute
from engine.files.catalog import CatalogError, read, shipped_folder
from engine.model import State
from engine.plan import Rule
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
    for name in ("bios-configure", "raid-configure", "os-install"):
        d.change(role=name, state=State.ACTIVE, succeeded=True)
    told = diff(d.world, plan({"database": ("all",), "ready": ("all",)}))
    wished = {one.what: (one.before, one.after) for one in told.chosen}
    assert wished == {"raid-wanted": ({"level": "jbod"}, {"level": "raid10"}), "bios-wanted": ({"ahci": "on"}, None)}
    assert {(one.role, one.what) for one in told.roles} >= {("raid-configure", "drift"), ("database", "new"), ("swift-storage", "gone")}
    d.feed(Commit(who="op", plan=plan({"database": ("all",), "ready": ("all",)})))
    assert ("wish", "n1", "bios-wanted") not in d.world.attributes


def test_a_wish_does_not_move_with_a_node_that_is_replaced() -> None:
    rack = Rack(STORE, plan({"swift-storage": ("node:node-1",), "ready": ("all",)}), nodes=2, seed=3)
    assert rack.run(), "\n".join(rack.state())
    assert [key[1] for key in rack.world.attributes if key[0] == "wish" and key[2] == "raid-wanted"] == ["n1"]
    rack.indexes_agree()


# -- in a barclamp's file -----------------------------------------------------------------------------------------------

TEXT = """\
barclamp: {name: swift, version: 1, description: "Objects.", requires: [raid]}
roles:
  - {name: swift-storage, stage: system, jig: noop, hardware: %s}
"""


def written(folder: Path, hardware: str) -> Catalog:
    (folder / "swift").mkdir()
    (folder / "swift" / "barclamp.yml").write_text(TEXT % hardware)
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
    assert found.roles["swift-storage"].hardware == wish
    needs = {one.role for one in found.requirements("swift-storage")}
    assert needs >= {name for attribute in wish for name in found.readers[attribute]}


@pytest.mark.parametrize(
    ("hardware", "said"),
    [
        ("{raid: raid7}", "raid7"),
        ("{raid: 5}", "attribute raid-wanted"),
        ("{fans: loud}", "fans"),
        ("[raid]", "hardware"),
        ("{bios: {a: 1}}", "bios-wanted.a"),
    ],
)
def test_a_wish_that_no_hardware_can_have_is_a_mistake_of_the_file(tmp_path: Path, hardware: str, said: str) -> None:
    with pytest.raises(CatalogError) as caught:
        written(tmp_path, hardware)
    (mistake,) = caught.value.mistakes
    assert said in str(mistake)
    assert "barclamp.yml:3" in str(mistake)
