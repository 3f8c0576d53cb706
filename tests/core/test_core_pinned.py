"""The versions in a plan: what a save writes, and what is said where they differ."""

from __future__ import annotations

from catalogs import catalog, plan, role
from msgspec import structs
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.plan.pinned import MOST, differences, pins
from engine.core.plan.save import left_out, saved
from engine.definitions import BarclampDef, Catalog
from engine.events import Commit, Operate, SetAttribute
from engine.plan import BarclampPin, Plan, Versions


def of(**barclamps: str) -> Catalog:
    """A catalogue with barclamps of these versions; their files differ by version."""
    found = {name: BarclampDef(version=version, sha256=version * 64) for name, version in barclamps.items()}
    return structs.replace(catalog(role("serve", "system", wants=["knob", "hostname"])), barclamps=found)


def pinning(images: dict[str, str] | None = None, **barclamps: str) -> Plan:
    return plan({}, versions=pins(of(**barclamps), images or {}))


def test_what_differs_has_a_line_each() -> None:
    here = of(bios="1", ntp="2", raid="1", other="1")
    saved_with = pinning(bios="1", ntp="1", gone="3", raid="1")
    assert saved_with.versions is not None
    pin = BarclampPin(version="1", sha256="f" * 64)
    saved_with = structs.replace(
        saved_with, versions=structs.replace(saved_with.versions, barclamps={**saved_with.versions.barclamps, "raid": pin})
    )
    assert differences(saved_with, here) == (
        "barclamp gone is not here, the plan was saved with 3",
        "barclamp ntp is version 2 here, the plan was saved with 1",
        "barclamp raid 1 has other files here than the one with which the plan was saved",
    )


def test_images_are_compared_where_they_are_known() -> None:
    found = pinning({"debian-12": "a" * 64, "loader": "b" * 64, "same": "c" * 64})
    assert differences(found, of()) == ()
    assert differences(found, of(), {"debian-12": "d" * 64, "same": "c" * 64}) == (
        "image debian-12 is dddddddddddd here, the plan was saved with aaaaaaaaaaaa",
        "image loader is not here, the plan was saved with bbbbbbbbbbbb",
    )


def test_a_pin_without_a_digest_compares_the_version_only() -> None:
    by_hand = plan({}, versions=Versions(barclamps={"ntp": BarclampPin(version="1")}))
    assert differences(by_hand, of(ntp="1")) == ()
    assert differences(by_hand, of(ntp="2")) == ("barclamp ntp is version 2 here, the plan was saved with 1",)


def test_a_plan_without_versions_is_compared_with_nothing() -> None:
    assert differences(plan({}), of(ntp="2"), {}) == ()


def test_the_lines_are_bounded() -> None:
    many = pinning(**{f"b{i:03}": "1" for i in range(MOST + 7)})
    assert len(differences(many, of())) == MOST + 1
    assert differences(many, of())[-1] == "7 more barclamps and images differ"


def test_a_save_writes_the_versions_of_now_and_a_differing_plan_is_committed() -> None:
    d = WorldRig(of(ntp="2"), plan({"serve": ("all",)}))
    kept = saved(d.world, {"loader": "a" * 64})
    assert kept is not None
    assert kept.versions == Versions(barclamps={"ntp": BarclampPin(version="2", sha256="2" * 64)}, images={"loader": "a" * 64})
    old = structs.replace(kept, versions=pins(of(ntp="1"), {}))
    found = diff(d.world, old)
    assert found.refused is None
    assert found.versions == ("barclamp ntp is version 2 here, the plan was saved with 1",)
    d.feed(Commit(who="op", plan=old))
    assert d.world.plan == old
    assert diff(d.world, old).same
    assert diff(d.world, kept).versions == ()
    again = saved(d.world)
    assert again is not None
    assert again.versions == pins(of(ntp="2"), {}), "what counts now, not what the plan was saved with before"


def test_what_a_plan_cannot_hold_is_named() -> None:
    d = WorldRig(of(), plan({"serve": ("all",)}))
    for node, serial in (("n1", "SN1"), ("n2", "")):
        d.server(node, stage="system", runs="debian-12", serial=serial)
        d.feed(Operate(who="op", verb="allocate", node=node))
    for scope, name in (("n1", "knob"), ("n1/serve", "knob"), ("n2", "knob"), ("n2/serve", "knob"), ("admin", "knob"), ("n1", "hostname")):
        d.feed(SetAttribute(who="op", layer="operator", scope=scope, name=name, value="mine"))
    name = {node: d.world.nodes[node].name for node in ("admin", "n1", "n2")}
    assert left_out(d.world) == [
        f"settings of {name['admin']}, which no rule of a plan matches: knob",
        f"settings of {name['n1']} in place of what the engine computes: hostname",
        f"settings of {name['n2']}, which no rule of a plan matches: knob, serve/knob",
    ]
