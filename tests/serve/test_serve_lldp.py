"""LLDP that the admin node hears: kept and counted; its own frames and a flood are not."""

from __future__ import annotations

from noted import Noted

from engine.serve import lldp
from engine.serve.lldp import RATE, LldpListener
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind, encode_frame

TOR = bytes.fromhex("525400000009")
FRAME = encode_frame(
    LldpNeighbour(chassis_kind=ChassisKind.LOCAL, chassis_id="tor1", port_kind=PortKind.LOCAL, port_id="swp3", ttl_s=120), from_mac=TOR
)


def test_a_frame_is_kept_by_its_senders_mac_and_a_bad_one_counted() -> None:
    noted = Noted()
    listener = LldpListener("eth0", noted)
    listener.take(0, FRAME)
    listener.take(4, FRAME)  # PACKET_OUTGOING
    listener.take(0, FRAME[:14])
    listener.take(0, b"short")
    assert noted.heard_ == [("lldp", TOR, FRAME), ("lldp", TOR, FRAME[:14])]
    assert noted.faults == [("lost", TOR, "chassis_id", 1)]
    assert listener.counters == {"heard": 2}


def test_a_flood_is_not_kept(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(lldp.time, "monotonic", lambda: clock[0])
    noted = Noted()
    listener = LldpListener("eth0", noted)
    for _ in range(1000):
        listener.take(0, FRAME)
    assert len(noted.heard_) == RATE
    clock[0] += 1
    listener.take(0, FRAME)
    assert len(noted.heard_) == RATE + 1


def test_without_an_interface_it_is_deaf_and_ends() -> None:
    for name in (None, "nope0"):
        listener = LldpListener(name, Noted())
        listener.start()
        assert listener.deaf
        listener.stop()
