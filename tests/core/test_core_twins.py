"""Machines that show the same UUID or serial: two machines are never one node, in whatever order they come."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import BOOTS, ask, disk_hello, script
from catalogs import USUAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from world_rig import WorldRig, mac, uuid

from engine.core.boot.identity import A_MOMENT_S, clean_serial, clean_uuid, known_by, shared_with, swapped
from engine.effects import Accept, BootNode, BootScript, Refuse, Start, Welcome
from engine.events import Hello, Operate, Probed
from engine.model import Kind, Node, State
from engine.requests import Asker, Request

DEFAULT = "e7a1c0de-0001-4002-8003-00d0e0f0a0b0"
"""A maker's default that no list knows."""


class Box(Struct, frozen=True):
    """A machine as it is: what its firmware says, and the numbers of its ports."""

    uuid: str
    serial: str
    ports: tuple[int, ...]

    @property
    def macs(self) -> frozenset[str]:
        return frozenset(mac(p) for p in self.ports)


class Site:
    """A rig on which machines boot, by the port that they choose."""

    def __init__(self, catalog: Any = USUAL) -> None:
        self.d = WorldRig(catalog)
        self.boots = 0

    def boot(self, box: Box, port: int = 0, again: int = 0) -> str:
        """Through firmware to a hello, said `again` more times. Empty: welcome; else the code of the refusal."""
        self.boots += 1
        number = box.ports[port % len(box.ports)]
        nonce, boot_id = f"h{self.boots}", f"b{self.boots}"
        self.d.feed(ask(number=number))
        self.d.feed(script(nonce, number))
        nonce = self.d.one(BootScript).nonce
        macs = tuple(mac(p) for p in box.ports)
        said = Hello(
            request=Request(Asker.HTTP, 6),
            nonce=nonce,
            boot_id=boot_id,
            environment="sledgehammer",
            uuid=box.uuid,
            serial=box.serial,
            macs=macs,
            address="10.0.0.30",
        )
        codes = set()
        for _ in range(again + 1):
            self.d.feed(said)
            for refused in self.d.all(Refuse):
                if refused.reason.code == "live_claim":  # the machine that was there before is this one, or is gone
                    self.d.nobody_answers(self.d.world.names[str(refused.reason.fields["node"])])
                    self.d.feed(said)
            codes.add(next((e.reason.code for e in self.d.all(Refuse)), ""))
            self.d.now += 1
        assert len(codes) == 1, codes
        return str(codes.pop())

    def dies(self, box: Box) -> None:
        """Its power is cut, and the engine finds out."""
        for node in self.nodes():
            if set(node.macs) & box.macs and node.alive:
                self.d.change(node.id, probe=9, missed=2)
                self.d.feed(Probed(node=node.id, probe=9, alive=False))

    def discovered(self) -> None:
        """All that its nodes had to do is done."""
        for role in list(self.d.world.node_roles.values()):
            if role.node != "admin":
                self.d.put(replace(role, state=State.ACTIVE, gave={}))

    def restart(self) -> None:
        self.d = _moved(self.d)

    def pass_time(self, seconds: float) -> None:
        self.d.now += seconds

    def nodes(self) -> list[Node]:
        return [n for n in self.d.world.nodes.values() if n.kind is Kind.SERVER]

    def parts(self) -> set[frozenset[str]]:
        return {frozenset(n.macs) for n in self.nodes()}

    def node_of(self, box: Box) -> Node:
        (found,) = [n for n in self.nodes() if set(n.macs) & box.macs]
        return found


def _moved(d: WorldRig) -> WorldRig:
    """The same store, opened by a new engine."""
    new = WorldRig(d.world.base, world=d.reload())
    new.now = d.now
    return new


# -- the cases from sites ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "serial"),
    [
        ("eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "XXXXXXXXXX"),
        ("4c4c4544-0000-2010-8020-80c04f202020", ""),
        ("44454c4c-0000-1020-8020-80c04f202020", ""),
        ("11111111-1111-1111-1111-111111111111", "None"),
        (DEFAULT, ""),
        (DEFAULT, "0K-DEFAULT-7"),
        ("", "0K-DEFAULT-7"),
        (uuid(1), "SN1"),
    ],
)
def test_three_machines_with_one_identity_are_three_nodes(shown: str, serial: str) -> None:
    site = Site()
    boxes = [Box(shown if n % 2 else (swapped(shown) if shown else ""), serial, (n,)) for n in (1, 2, 3)]
    assert [site.boot(box) for box in boxes] == ["", "", ""]
    assert site.parts() == {box.macs for box in boxes}
    assert [known_by(site.d.world, site.node_of(box)) for box in boxes] == ["macs"] * 3
    for box in boxes:
        assert site.boot(box) == ""
    assert site.parts() == {box.macs for box in boxes}


def test_both_machines_are_marked_until_one_is_gone() -> None:
    site = Site()
    one, two = Box(DEFAULT, "A0001", (1,)), Box(DEFAULT, "A0002", (2,))
    site.boot(one)
    assert shared_with(site.d.world, site.node_of(one)) == ()
    assert known_by(site.d.world, site.node_of(one)) == "uuid"
    site.boot(two)
    site.restart()
    for box, other in ((one, two), (two, one)):
        (mark,) = shared_with(site.d.world, site.node_of(box))
        assert (mark.what, mark.value, mark.nodes) == ("UUID", DEFAULT, (site.node_of(other).id,))
        assert known_by(site.d.world, site.node_of(box)) == "serial"
    site.discovered()
    site.d.feed(Operate(request=Request(Asker.OPERATOR, 9), who="ada", verb="delete", node="n2"))
    assert site.d.one(Accept)
    assert shared_with(site.d.world, site.node_of(one)) == ()
    assert known_by(site.d.world, site.node_of(one)) == "uuid"


def test_one_serial_and_two_good_uuids_are_two_machines() -> None:
    site = Site()
    one, two = Box(uuid(1), "LAB-1", (1,)), Box(uuid(2), "LAB-1", (2,))
    assert (site.boot(one), site.boot(two)) == ("", "")
    (mark,) = shared_with(site.d.world, site.node_of(two))
    assert (mark.what, mark.nodes) == ("serial", ("n1",))
    assert [known_by(site.d.world, n) for n in site.nodes()] == ["uuid", "uuid"]


def test_after_a_merge_the_value_identifies_again() -> None:
    """Both records were one machine, whose ports were changed while it was on."""
    site = Site()
    old, new = Box(DEFAULT, "A0001", (1,)), Box(DEFAULT, "A0001", (2,))
    site.boot(old)
    site.boot(new)
    assert len(site.nodes()) == 2
    site.discovered()
    site.d.feed(Operate(request=Request(Asker.OPERATOR, 9), who="ada", verb="merge", node="n1", value="n2"))
    assert site.d.one(Accept)
    assert known_by(site.d.world, site.d.node()) == "uuid"
    assert site.boot(new) == ""
    assert site.parts() == {new.macs}


@pytest.mark.parametrize(("serial", "other"), [("", ""), ("A0001", "A0001"), ("A0001", "A0002"), ("A0001", "")])
def test_the_first_keeps_its_node_and_its_system(serial: str, other: str) -> None:
    """The second machine comes when the first is installed and at work."""
    d = WorldRig(BOOTS)
    d.server(uuid=DEFAULT, serial=serial, stage="system", runs="debian-12", allocated=True, boot_id="b7")
    d.role("os-install", state=State.ACTIVE, succeeded=True)
    d.role("serve", state=State.ACTIVE)
    before, roles = d.node(), [d.at("os-install"), d.at("serve")]
    d.feed(ask(number=2), script("h2", 2))
    d.feed(
        Hello(
            request=Request(Asker.HTTP, 6), nonce="h2", boot_id="b1", environment="sledgehammer", uuid=DEFAULT, serial=other, macs=(mac(2),)
        )
    )
    assert d.one(Welcome).node == "n2"
    assert not d.all(BootNode)
    assert not [s for s in d.all(Start) if s.node == "n1"]
    assert d.node() == before
    assert [d.at("os-install"), d.at("serve")] == roles
    assert [k for k in d.world.node_roles if k[0] == "n2" and d.world.node_roles[k].approved] == []


# -- what still is one machine -------------------------------------------------------------------------------------


def test_a_machine_that_boots_from_another_of_its_ports() -> None:
    site = Site()
    box = Box(DEFAULT, "", (1, 2))
    assert [site.boot(box, port) for port in (0, 1, 0)] == ["", "", ""]
    assert site.parts() == {box.macs}


def test_it_is_so_for_twins_as_well() -> None:
    site = Site()
    one, two = Box(DEFAULT, "", (1, 2)), Box(DEFAULT, "", (3, 4))
    for port in (0, 1, 0):
        assert (site.boot(one, port), site.boot(two, port)) == ("", "")
    assert site.parts() == {one.macs, two.macs}


def test_a_twin_whose_port_was_changed_is_itself() -> None:
    """One of its ports is known, and the UUID agrees."""
    site = Site()
    one, two = Box(DEFAULT, "", (1, 2)), Box(DEFAULT, "", (3, 4))
    site.boot(one)
    site.boot(two)
    changed = replace(two, ports=(4, 5))
    assert site.boot(changed, 1) == ""
    assert site.parts() == {one.macs, changed.macs}


@pytest.mark.parametrize("unresolved", [False, True])
@pytest.mark.parametrize("restart", [False, True])
def test_all_ports_changed_while_it_was_off(unresolved: bool, restart: bool) -> None:
    site = Site()
    box = Box(uuid(1), "SN0001", (1,))
    site.boot(box)
    site.dies(box)
    if unresolved:
        site.discovered()
        site.d.role("os-install", state=State.TRANSITION, attempt="i5-9", leg=1, resume=True)
    site.pass_time(A_MOMENT_S + 1)
    if restart:
        site.restart()
    changed = replace(box, ports=(7, 8))
    assert site.boot(changed) == "same_or_not"
    assert site.parts() == {box.macs}


def test_a_moment_after_its_death_it_counts_as_there() -> None:
    site = Site()
    one, two = Box(DEFAULT, "A0001", (1,)), Box(DEFAULT, "A0001", (2,))
    site.boot(one)
    site.dies(one)
    site.pass_time(A_MOMENT_S / 2)
    assert site.boot(two) == ""
    assert site.parts() == {one.macs, two.macs}


def test_a_uuid_that_nothing_supports_is_for_a_person() -> None:
    """A technician tries one machine after the other: the first is long off when the second comes."""
    site = Site()
    one, two = Box(DEFAULT, "", (1,)), Box(DEFAULT, "", (2,))
    site.boot(one)
    site.discovered()
    site.dies(one)
    site.pass_time(2 * A_MOMENT_S)
    assert site.boot(two, again=2) == "same_or_not"
    assert site.parts() == {one.macs}
    site.d.feed(Operate(request=Request(Asker.OPERATOR, 9), who="ada", verb="split", node="n1", value="uuid"))
    assert site.d.one(Accept)
    assert site.boot(two) == ""
    assert site.boot(one) == ""
    assert site.parts() == {one.macs, two.macs}


# -- MACs that are in two machines ---------------------------------------------------------------------------------

USB = "be:3a:f2:b6:05:9f"
"""The BMC's own port in each machine of one maker."""


def test_a_port_with_one_address_in_each_machine_stands_in_nobody_s_way() -> None:
    d = WorldRig(USUAL)
    for n in (1, 2, 3):
        d.feed(ask(number=n), script(f"h{n}", n))
        macs = (USB, mac(n))
        d.feed(
            Hello(
                request=Request(Asker.HTTP, 6),
                nonce=f"h{n}",
                boot_id=f"b{n}",
                environment="sledgehammer",
                uuid=uuid(n),
                serial=f"SN000{n}",
                macs=macs,
            )
        )
        assert d.one(Welcome).node == f"n{n}"
    assert [set(d.node(f"n{n}").macs) - {USB} for n in (1, 2, 3)] == [{mac(1)}, {mac(2)}, {mac(3)}]


def test_a_card_that_was_moved_while_the_other_is_up() -> None:
    card = "a0:36:9f:00:00:01"
    d = WorldRig(USUAL)
    d.server(uuid=uuid(1), serial="SN1", macs=(mac(1), card))
    d.feed(ask(number=2), script("h2", 2))
    d.feed(
        Hello(
            request=Request(Asker.HTTP, 6),
            nonce="h2",
            boot_id="b2",
            environment="sledgehammer",
            uuid=uuid(2),
            serial="SN2",
            macs=(mac(2), card),
        )
    )
    assert d.one(Welcome).node == "n2"
    assert (d.node("n1").macs, d.node("n2").macs) == ((mac(1), card), (mac(2),))


def test_a_board_with_the_old_card_is_for_a_person() -> None:
    """The node is away, and a card of it is in a machine with another board."""
    card = "a0:36:9f:00:00:01"
    d = WorldRig(USUAL)
    d.server(uuid=uuid(1), serial="SN1", macs=(mac(1), card), alive=False, runs="")
    d.feed(ask(number=2), script("h2", 2))
    d.feed(
        Hello(
            request=Request(Asker.HTTP, 6),
            nonce="h2",
            boot_id="b2",
            environment="sledgehammer",
            uuid=uuid(2),
            serial="SN2",
            macs=(mac(2), card),
        )
    )
    assert d.one(Refuse).reason.code == "identity_conflict"


def test_a_port_that_is_gone_belongs_to_nobody() -> None:
    """A card is moved to another machine, which boots from it: that is not the first machine's boot."""
    site = Site()
    one, two = Box(uuid(1), "SN0001", (1, 2)), Box(uuid(2), "SN0002", (2, 3))
    site.boot(one)
    site.boot(replace(one, ports=(1,)))
    assert site.boot(two) == ""
    assert site.parts() == {frozenset({mac(1)}), two.macs}


def test_a_copied_disk_does_not_take_a_node_over() -> None:
    d = WorldRig(BOOTS)
    d.server(stage="system", runs="debian-12", allocated=True, boot_id="b5")
    copy = replace(disk_hello("b6"), macs=(mac(7),), uuid=uuid(7), serial="SN7")
    d.feed(copy)
    assert d.one(Refuse).reason.code == "copied_credential"
    assert (d.node().boot_id, d.node().alive) == ("b5", True)
    assert d.node().notice is not None
    d.change(alive=False, probe=0)  # it was its own board that was changed: the engine has found it away
    d.feed(copy)
    assert d.one(Welcome).node == "n1"


# -- any order -----------------------------------------------------------------------------------------------------

UUIDS = st.sampled_from(
    ["", DEFAULT, swapped(DEFAULT), "own", "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "0f0e0d0c-1111-4222-8333-0000deadbeef"]
)
SERIALS = st.sampled_from(["", "own", "LAB-1", "BATCH-7", "To Be Filled By O.E.M.", "Undefined"])


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Box, ...]:
    out = []
    for n in range(draw(st.integers(2, 5))):
        shown, serial = draw(UUIDS), draw(SERIALS)
        ports = (3 * n + 1, 3 * n + 2)[: draw(st.integers(1, 2))]
        out.append(Box(uuid(n + 1) if shown == "own" else shown, f"SN000{n + 1}" if serial == "own" else serial, ports))
    return tuple(out)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["boot", "boot", "boot", "dies", "restart", "minute"]), st.integers(0, 4), st.integers(0, 1), st.integers(0, 2)
    ),
    max_size=25,
)
SOME = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=150)


def _carry_out(site: Site, fleet: tuple[Box, ...], steps: list[tuple[str, int, int, int]], gap: float) -> list[tuple[Box, str]]:
    refused = []
    for what, which, port, again in steps:
        box = fleet[which % len(fleet)]
        match what:
            case "boot":
                code = site.boot(box, port, again)
                if code:
                    refused.append((box, code))
            case "dies":
                site.dies(box)
            case "restart":
                site.restart()
            case "minute":
                site.pass_time(gap)
        for part in site.parts():
            assert sum(bool(part & one.macs) for one in fleet) == 1, "a node of two machines"
    return refused


@SOME
@given(fleets(), STEPS)
def test_any_order_ends_in_the_same_nodes(fleet: tuple[Box, ...], steps: list[tuple[str, int, int, int]]) -> None:
    """All come within a moment of each other, so none is refused, and each is its own node."""
    site = Site()
    every = [("boot", n, 0, 0) for n in range(len(fleet))]
    assert _carry_out(site, fleet, [*steps, *every], 10.0) == []
    assert site.parts() == {box.macs for box in fleet}


@SOME
@given(fleets(), STEPS)
def test_hours_between_them_merge_nobody(fleet: tuple[Box, ...], steps: list[tuple[str, int, int, int]]) -> None:
    """What is refused then is what nothing tells apart: never a machine with a UUID and a serial of its own."""
    pairs = [(min(u, swapped(u)), s) for box in fleet if (u := clean_uuid(box.uuid)) and (s := clean_serial(box.serial))]
    if len(pairs) != len(set(pairs)):
        fleet = tuple(replace(box, serial="") for box in fleet)
    for box, code in _carry_out(Site(), fleet, [*steps, *((("boot", n, 0, 0)) for n in range(len(fleet)))], 4 * A_MOMENT_S):
        own = clean_uuid(box.uuid).startswith("4c4c4544") and box.serial.startswith("SN")
        assert code in ("same_or_not", "identity_conflict")
        assert not own, (box, code)
