"""The role graph: what is bound with what, cycles and the order of stages, ranks, addresses."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, catalog, plan, role, same
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine import reasons
from engine.core.roles.guards import order
from engine.definitions import Catalog, On, Requirement
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate, Started
from engine.model import State, Value
from engine.plan import DeploymentDef, Range
from engine.requests import Asker, Request

PEERS, DEPLOYMENT, ON_ADMIN = On.PEERS, On.DEPLOYMENT, On.ADMIN


def bound(what: Catalog, roles: dict[str, tuple[str, ...]], nodes: int = 1, **more: Any) -> WorldRig:
    """Allocated nodes with these roles, in the order of their numbers; nothing is started."""
    d = WorldRig(what, plan(roles, **more))
    for number in range(1, nodes + 1):
        d.server(f"n{number}", hold=True)
        d.feed(Operate(request=Request(Asker.OPERATOR, number), who="op", verb="allocate", node=f"n{number}"))
    return d


def keys(d: WorldRig) -> set[str]:
    return {f"{n}/{r}" for n, r in d.world.node_roles if n != "admin"}


def test_a_role_pulls_in_what_it_requires_and_what_owns_what_it_wants() -> None:
    what = catalog(role("a", gives=("x",)), role("b"), role("c", wants=["x"], requires=(same("b"),)), role("other"))
    d = bound(what, {"c": ("all",)})
    assert keys(d) == {"n1/a", "n1/b", "n1/c"}
    assert d.at("c").parents == (("n1", "a"), ("n1", "b"))
    assert d.at("a").state is State.WAITING
    assert d.at("c").revision == 1


def test_precedes_orders_and_pulls_nothing_in() -> None:
    what = catalog(role("first", precedes=("last", "absent")), role("last"), role("absent"))
    d = bound(what, {"first": ("all",), "last": ("all",)})
    assert keys(d) == {"n1/first", "n1/last"}
    assert d.at("last").parents == (("n1", "first"),)


def test_a_provider_will_do() -> None:
    what = catalog(role("motd-a", provides=("motd",)), role("needs", requires=(same("motd"),)))
    d = bound(what, {"needs": ("all",)})
    assert d.at("needs").parents == (("n1", "motd-a"),)


def test_conflicts_are_refused() -> None:
    d = WorldRig(catalog(role("a", conflicts=("b",)), role("b")), plan({"a": ("all",), "b": ("all",)}))
    d.server()
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    assert d.one(Refuse).reason == reasons.conflicts(role="a", other="b", node="node-1.r1.example.net")


@pytest.mark.parametrize(
    ("on", "parents"),
    [
        (On.SAME, [("n2", "base")]),
        (PEERS, [("n1", "base")]),
        (DEPLOYMENT, [("n1", "base")]),
        (None, [("n1", "base")]),
    ],
)
def test_where_a_parent_is_looked_for(on: On | None, parents: list[Any]) -> None:
    what = catalog(
        role("os-install", "install", wants=["target-os"]),
        role("base", "system"),
        role("top", "system", requires=(Requirement(role="base", on=on),)),
    )
    d = bound(what, {"base": ("node:node-1",), "top": ("node:node-2",)}, nodes=2)
    assert list(d.at("top", "n2").parents) == parents


def test_on_the_admin_node() -> None:
    d = bound(USUAL, {"ntp-client": ("all",)})
    assert ("admin", "ntp-server") in d.at("ntp-client").parents


def test_the_admin_node_gets_the_roles_that_are_chosen_for_it() -> None:
    d = WorldRig(catalog(role("watch", "system", "local")), plan({"watch": ("admin",)}))
    assert ("admin", "watch") in d.world.node_roles


def test_a_new_member_of_a_cluster_is_a_parent_of_those_who_depend_on_its_peers() -> None:
    what = catalog(role("member", flags=["cluster"]), role("user", requires=(Requirement(role="member", on=DEPLOYMENT),)))
    d = bound(what, {"member": ("all",), "user": ("node:node-1",)}, nodes=3)
    assert d.at("user").parents == (("n1", "member"), ("n2", "member"), ("n3", "member"))


def test_a_cycle_is_refused_and_spelled_out() -> None:
    what = catalog(role("a", requires=(Requirement(role="b", on=On.SAME),)), role("b", requires=(same("a"),)))
    d = WorldRig(what, plan({"a": ("all",)}))
    d.server()
    before = tables(d.world)
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    path = d.one(Refuse).reason.fields["path"]
    assert path == "node-1.r1.example.net/a > node-1.r1.example.net/b > node-1.r1.example.net/a"
    assert tables(d.world) == before


def test_a_cycle_through_another_node_s_order_of_stages_is_refused() -> None:
    """n2's hardware waits for n1's system, which is after n1's hardware, which waits for n2's system: no edge goes back, and nothing could ever run."""
    what = catalog(
        role("os-install", "install", wants=["target-os"]),
        role("base", "system", flags=["cluster"]),
        role("top", "hardware"),
        role("cross", "hardware", requires=(Requirement(role="base", on=PEERS),)),
    )
    d = WorldRig(what, plan({"base": ("all",), "cross": ("all",)}))
    d.server("n1", hold=True)
    d.server("n2", hold=True)
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    assert d.one(Accept)
    d.feed(Operate(request=Request(Asker.OPERATOR, 2), who="op", verb="allocate", node="n2"))
    assert d.one(Refuse).reason.code == "cycle"
    assert not d.node("n2").allocated


def test_a_role_that_waits_for_a_later_stage_of_its_own_node_is_refused() -> None:
    what = catalog(role("os-install", "install", wants=["target-os"]), role("early", requires=(same("late"),)), role("late", "system"))
    d = WorldRig(what, plan({"early": ("all",)}))
    d.server()
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    assert d.one(Refuse).reason.code == "cycle"


def test_ranks_are_the_longest_remaining_path_over_stages() -> None:
    d = bound(USUAL, {"ready": ("all",), "ntp-client": ("all",)})
    chain = ["bios-configure", "raid-configure", "os-install", "network-admin", "ntp-client", "ready"]
    assert [d.at(name).rank for name in chain] == [60.0, 50.0, 40.0, 30.0, 20.0, 10.0]
    later = [d.at(name) for name in reversed(chain)]
    assert [r.role for r in sorted(later, key=order)] == chain


def test_what_comes_before_gets_longer_with_what_is_bound_after_it() -> None:
    d = bound(USUAL, {"os-install": ("all",)})
    before = d.at("bios-configure").rank
    d.feed(Commit(who="t", plan=plan({"os-install": ("all",), "ready": ("all",), "ntp-client": ("all",)})))
    assert d.at("bios-configure").rank > before
    assert d.at("ready").revision == 2
    assert d.at("bios-configure").revision == 1


def test_equal_ranks_go_by_node_then_role() -> None:
    d = bound(catalog(role("a"), role("b")), {"a": ("all",), "b": ("all",)}, nodes=2)
    found = sorted(d.world.node_roles.values(), key=order)
    assert [r.key for r in found] == [("n1", "a"), ("n1", "b"), ("n2", "a"), ("n2", "b")]


# -- addresses -----------------------------------------------------------------------------------------------------

STORE = replace(
    ADMIN,
    name="store",
    subnet="10.9.0.0/24",
    ranges={"host": Range(first="10.9.0.50", last="10.9.0.250")},
)


def addresses(d: WorldRig, node: str = "n1") -> dict[str, str]:
    return {a.network: a.address for a in d.world.allocations.values() if a.node == node}


def test_the_same_host_part_on_each_network() -> None:
    d = bound(catalog(role("a")), {"a": ("all",)}, nodes=2, networks={"admin": ADMIN, "store": STORE})
    assert addresses(d, "n1") == {"admin": "10.0.0.101", "store": "10.9.0.101"}
    assert addresses(d, "n2") == {"admin": "10.0.0.102", "store": "10.9.0.102"}


def test_a_hint_is_preferred_and_what_is_taken_is_not_given() -> None:
    d = WorldRig(catalog(role("a")), plan({"a": ("all",)}))
    for number in (1, 2):
        d.server(f"n{number}", hold=True)
        d.put(Value(layer="hint", scope=f"n{number}", name="admin-address", value="10.0.0.150"))
        d.feed(Operate(who="op", verb="allocate", node=f"n{number}"))
    assert addresses(d, "n1") == {"admin": "10.0.0.150"}
    assert addresses(d, "n2") != {"admin": "10.0.0.150"}


def test_the_engine_s_own_address_and_the_router_s_are_not_given() -> None:
    network = replace(ADMIN, router="10.0.0.2", ranges={**ADMIN.ranges, "host": Range(first="10.0.0.1", last="10.0.0.9")})
    d = bound(catalog(role("a")), {"a": ("all",)}, networks={"admin": network})
    assert addresses(d) == {"admin": "10.0.0.3"}


def test_a_network_that_comes_later_gives_its_addresses_then() -> None:
    d = bound(catalog(role("a")), {"a": ("all",)})
    d.feed(Commit(who="t", plan=plan({"a": ("all",)}, networks={"admin": ADMIN, "store": STORE})))
    assert addresses(d) == {"admin": "10.0.0.101", "store": "10.9.0.101"}


def test_selectors() -> None:
    roles = {"a": ("group:big",), "b": ("node:node-2",), "c": ("admin",), "d": ("all",)}
    what = catalog(role("a"), role("b"), role("c", "system", "local"), role("d"))
    d = WorldRig(what, plan(roles, deployments={"cloud": DeploymentDef(name="cloud", roles=roles)}))
    for number in (1, 2):
        d.server(f"n{number}", hold=True, group="big" if number == 1 else "")
        d.feed(Operate(who="op", verb="allocate", node=f"n{number}"))
    assert keys(d) == {"n1/a", "n1/d", "n2/b", "n2/d"}
    assert ("admin", "c") in d.world.node_roles


def test_equal_starts_give_equal_worlds() -> None:
    first, second = (bound(USUAL, {"ready": ("all",)}, nodes=3) for _ in range(2))
    assert tables(first.world) == tables(second.world)
    first.feed(Started(installation="x", admin="a"))
    second.feed(Started(installation="x", admin="a"))
    assert first.effects == second.effects
