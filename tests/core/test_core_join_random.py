"""Random lives of joined machines: whatever comes, in whatever order, the engine never boots one, makes no impossible move, and keeps its indexes."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rack import INDEXES
from test_core_join import CATALOG, FACTS, KEY, OTHER_KEY, wants
from world_rig import WorldRig, mac, uuid

from engine.core.roles.derive import committed, done
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Ignore, Refuse, RemoveKey, SetPower, Start
from engine.events import Commit, DhcpAsked, Event, Join, Missed, Operate, Outcome, Probed, ScriptAsked, Started, Tick
from engine.model import Kind, Node, State
from engine.requests import Asker, Request
from engine.wire.dhcp import DhcpKind, DhcpRequest

PLANS: tuple[dict[str, tuple[str, ...]], ...] = (
    {},
    {"ntp-client": ("node:m1", "node:m2")},
    {"storage": ("node:m1",), "touchy": ("node:m2",)},
    {"os-install": ("node:m1",)},
    {"network-admin": ("node:m2",), "ntp-client": ("node:m1",)},
)
VERBS = (
    "hold",
    "release",
    "retry",
    "unavailable",
    "available",
    "delete",
    "ban",
    "unban",
    "reset",
    "reinstall",
    "redeploy",
    "approve",
    "allocate",
)


class Life:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.d = WorldRig(CATALOG, wants({}))
        self.boots = {1: "b1", 2: "b1"}

    def joined(self) -> list[Node]:
        return [n for n in self.d.world.nodes.values() if n.kind is Kind.JOINED]

    def event(self) -> Event:
        random, nodes = self.random, self.joined()
        number, node = random.choice((1, 2)), random.choice(nodes) if nodes else None
        match random.choice("join join probe probe miss out out out out commit verb verb role boot dhcp start".split()):
            case "join":
                return self.join(number)
            case "probe" if node is not None:
                alive, boot = random.random() < 0.6, random.choice(("b1", "b2", "b3"))
                return Probed(node=node.id, probe=node.probe if random.random() < 0.9 else 0, alive=alive, boot_id=boot if alive else "")
            case "miss" if node is not None:
                return Missed(node=node.id, asked=random.random() < 0.5)
            case "out":
                running = [r for r in self.d.world.node_roles.values() if r.state is State.TRANSITION]
                if running:
                    return self.outcome(random.choice(sorted(running, key=lambda r: r.key)))
            case "commit":
                return Commit(request=Request(Asker.OPERATOR, 9), who="op", plan=wants(random.choice(PLANS)))
            case "verb" if node is not None:
                return Operate(request=Request(Asker.OPERATOR, 8), who="op", verb=random.choice(VERBS), node=node.id)
            case "role" if node is not None and self.d.world.roles_of.get(node.id):
                role = random.choice(self.d.world.roles_of[node.id])[1]
                return Operate(
                    request=Request(Asker.OPERATOR, 8), who="op", verb=random.choice(("retry", "skip", "redeploy")), node=node.id, role=role
                )
            case "boot":
                return ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(number), address="10.0.0.30", nonce=f"{random.random()}" * 3)
            case "dhcp":
                asks = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=mac(number), vendor_class="PXEClient:Arch:00007:UNDI:003016")
                return DhcpAsked(request=asks, interface="eth1")
            case "start":
                return Started(installation="other", admin="admin.example.net")
        return self.join(number)

    def join(self, number: int) -> Join:
        random = self.random
        return Join(
            request=Request(Asker.OPERATOR, 3),
            who="op",
            address=random.choice((f"10.0.0.{200 + number}", f"10.0.0.{210 + number}", "10.0.0.1")),
            host_key=(KEY, OTHER_KEY)[number - 1],
            hostname=f"m{number}",
            boot_id="b1",
            system="debian-12",
            uuid=random.choice((uuid(number), "")),
            serial=random.choice((f"SN{number}", "")),
            macs=(mac(number),),
        )

    def outcome(self, role: Any) -> Outcome:
        what: Any = self.random.choice(("done", "done", "done", "failed", "again", "lost", "running", "unreachable"))
        given = {"ntp-server": {"ntp-servers": []}, "network-storage": {"addresses": []}, **FACTS}.get(role.role, {})
        return Outcome(
            attempt=f"{role.attempt}.{role.leg}",
            node=role.node,
            what="failed" if what == "unreachable" else what,
            unreachable=what == "unreachable",
            gives=given if what == "done" else {},
            reboot=self.random.random() < 0.2,
        )

    def step(self) -> None:
        event, gone = self.event(), {n.id: n for n in self.joined()}
        before = self.d.world
        self.d.now += self.random.choice((0.0, 1.0, 40.0))
        effects = self.d.feed(event)
        for effect in effects:
            assert not isinstance(effect, BootNode | SetPower), (event, effect)
            assert not isinstance(effect, Ignore) or effect.reason.code not in ("no_such_move", "engine_error"), (event, effect)
        if any(isinstance(e, Refuse) for e in effects) and isinstance(event, Join | Commit):
            assert self.d.world.nodes == before.nodes, event
        left = {e.node for e in effects if isinstance(e, RemoveKey)}
        assert left == gone.keys() - {n.id for n in self.joined()}, event
        self.holds()
        for wake in sorted(self.d.wakes, key=lambda w: w.now)[:2] if self.random.random() < 0.3 else ():
            self.d.now = max(self.d.now, wake.now)
            assert not [e for e in self.d.feed(Tick(subjects=(wake.due,))) if isinstance(e, BootNode | SetPower)]

    def holds(self) -> None:
        world = self.d.world
        for node in self.joined():
            assert node.boot is None
            assert not node.intent.fresh
            assert node.stage == "system"
            roles = {key[1] for key in world.roles_of.get(node.id) or ()}
            assert roles.isdisjoint({"os-install", "network-admin", "lldp"}), roles
            for name in roles:
                role = world.node_roles[(node.id, name)]
                started = role.state is State.TRANSITION
                if committed(role) and not done(world, role) and not started and not world.holders.get(node.id):
                    assert blockers(world, role), f"{name} waits without a reason"
        again = self.d.reload()
        for name in INDEXES:
            if name not in ("strangers", "lease_of", "declined_by"):
                assert dict(getattr(again, name)) == dict(getattr(world, name)), name


@settings(max_examples=60)
@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_random_lives(seed: int) -> None:
    life = Life(seed)
    for _ in range(40):
        life.step()


def test_the_lives_come_to_what_matters() -> None:
    """They start roles, are refused, let machines go, and find reboots."""
    seen: set[str] = set()
    for seed in range(30):
        life = Life(seed)
        for _ in range(40):
            life.step()
            seen |= {type(e).__name__ for e in life.d.effects if isinstance(e, Start | Refuse | RemoveKey)}
            seen |= {"rebooted" for n in life.joined() if n.boot_id != "b1"}
    assert seen == {"Start", "Refuse", "RemoveKey", "rebooted"}
