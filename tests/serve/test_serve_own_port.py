"""Where the engine's own port is plugged in: what is heard, when it is passed on, and what strangers cannot do with it."""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import AdminSeen
from engine.here import Here
from engine.racks.simulated.switch import frame, telephone
from engine.runtime.own_port import ADDRESSES_S, NEIGHBOURS, PAUSE_S, SETTLE_S, OwnPortWatch
from engine.serve.lldp import LldpListener
from engine.wire.lldp import decode_frame, encode_frame


class Rig:
    def __init__(self, known: Here | None = None) -> None:
        self.now, self.known, self.told, self.looks = 1000.0, known, list[Here](), 0
        self.deaf = ""
        self.watch = OwnPortWatch("eno1", self.submit, lambda: self.known, lambda: self.deaf, lambda: self.now, self.machine)
        self.wire = LldpListener("eno1", heard=self.watch.heard)

    def machine(self) -> Here:
        self.looks += 1
        return Here(uuid="u", macs=("3c:ec:ef:00:00:01",), addresses=("10.0.0.1/24",))

    def submit(self, event: AdminSeen) -> bool:
        self.told.append(event.here)
        self.known = event.here
        return True

    def after(self, seconds: float, *frames: bytes) -> list[str]:
        """Ports that the world knows then."""
        self.now += seconds
        for one in frames:
            self.wire.take(0, one)
        self.watch.look()
        return [f"{one.system}:{one.port}" for one in self.told[-1].neighbours] if self.told else []


def test_what_is_heard_is_passed_on_once() -> None:
    rig = Rig()
    assert rig.after(0) == []
    assert rig.told[0].addresses == ("10.0.0.1/24",)
    assert rig.after(PAUSE_S, frame("tor1", "swp48")) == ["tor1:swp48"]
    for _ in range(4):
        rig.after(PAUSE_S, frame("tor1", "swp48"))
    assert len(rig.told) == 2
    assert rig.told[-1].neighbours[0].capabilities == ("bridge",)


def test_a_telephone_between_is_kept_beside_the_switch() -> None:
    assert sorted(Rig().after(0, frame("tor1", "swp48"), telephone())) == ["phone:1", "tor1:swp48"]


def test_what_is_no_longer_heard_ends_with_its_time() -> None:
    rig = Rig()
    rig.after(0, frame("tor1", "swp48"))
    assert rig.after(100) == ["tor1:swp48"]
    assert rig.after(100) == []


def test_a_goodbye_ends_it_at_once() -> None:
    rig = Rig()
    rig.after(SETTLE_S, frame("tor1", "swp48"))
    bye = encode_frame(replace(decode_frame(frame("tor1", "swp48")), ttl_s=0), from_mac=bytes(6))
    assert rig.after(PAUSE_S, bye) == []


def test_after_a_restart_silence_says_nothing_yet() -> None:
    """Switches speak every 30 s."""
    before = Rig()
    before.after(0, frame("tor1", "swp48"))
    rig = Rig(before.known)
    assert rig.after(5) == []  # nothing was passed on, and the world keeps what it knows
    assert rig.told == []
    assert rig.after(SETTLE_S) == []
    assert rig.told[-1].neighbours == ()


def test_strangers_cannot_flood_the_journal() -> None:
    rig = Rig()
    for number in range(600):
        rig.after(1.0, frame(f"evil{number}", "1"))
    assert len(rig.told) <= 600 / PAUSE_S + 1
    assert all(len(one.neighbours) <= NEIGHBOURS for one in rig.told)
    assert rig.looks <= 600 / ADDRESSES_S + 1


def test_a_broken_frame_is_not_heard() -> None:
    assert Rig().after(0, frame("tor1", "swp48")[:20]) == []


def test_why_nothing_is_heard() -> None:
    rig = Rig()
    rig.deaf = "Operation not permitted"
    rig.after(0)
    assert rig.told[-1].deaf == "Operation not permitted"
