"""The page of packets, the drops on the health screen, and the line at a machine of which packets are dropped."""

from __future__ import annotations

from typing import Any

import pytest
from driving import HEALTH, console, shot, still, until

from crowbar_tui.console.frame import draw
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.snapshot import PacketsError
from crowbar_tui.console.styled import width
from engine.core.world.work import Work
from engine.model import Sighting
from engine.packets.decoding import DecodedPacket
from engine.packets.floods import Floods
from engine.packets.packet import Packet
from engine.wire import tftp
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, encode, encode_request, reply_to

LOST = "52:54:00:aa:00:01"
LAYERS = (
    ("BOOTP", (("op", "BOOTREQUEST"), ("xid", "0x7"), ("giaddr", "0.0.0.0"))),
    ("DHCP options", (("option message-type", "1"), ("option vendor_class_id", "PXEClient:Arch:00007:UNDI:003016"))),
)
ASKS = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=LOST, vendor_class="PXEClient:Arch:00007:UNDI:003016", arch=7)
US, THEM = ("10.0.0.1", 67), ("10.0.0.30", 68)


def told(
    number: int, at: float, out: bool, words: str, data: bytes, kind: str = "dhcp", who: str = LOST, cause: str = "", trouble: str = ""
) -> DecodedPacket:
    ends = (US, THEM) if out else (("0.0.0.0", 68), US)
    packet = Packet(number=number, at=at, kind=kind, out=out, who=who, source=ends[0], to=ends[1], data=data, cause=cause)
    return DecodedPacket(packet=packet, summary=words, layers=LAYERS if kind == "dhcp" and not trouble else (), trouble=trouble)


def packets(at: float) -> list[DecodedPacket]:
    offer = encode(DhcpReply(kind=DhcpKind.OFFER, to=reply_to(ASKS), yiaddr="10.0.0.30", server_id="10.0.0.1", filename="snponly.efi"))
    asked = encode_request(ASKS)
    return [
        told(
            1,
            at - 90,
            False,
            "DISCOVER from a boot ROM (UEFI x86-64)",
            asked,
            cause="the dhcp range of network admin has no free address (60 addresses)",
        ),
        told(2, at - 60, False, "DISCOVER from a boot ROM (UEFI x86-64)", asked),
        told(3, at - 60, True, "OFFER of 10.0.0.30 with boot file snponly.efi for 3600 s", offer),
        told(4, at - 20, False, "asks for snponly.efi (blksize 1468, tsize 0)", tftp.encode(tftp.Read(filename="snponly.efi")), "tftp"),
        told(
            5,
            at - 5,
            False,
            "dhcp packet of 3 octets",
            b"\xff\x00\x1b",
            who="52:54:00:00:00:01",
            cause="it is shorter than the fixed part of DHCP",
            trouble="the decoder ended on this packet (exit code -9)",
        ),
    ]


def drops(at: float) -> dict[str, Any]:
    lost = {
        "protocol": "dhcp",
        "cause": "kind",
        "answered": False,
        "fault": "it says no message type of a client",
        "who": LOST,
        "option": 53,
        "at": at - 12,
        "count": 3,
    }
    odd = {
        **lost,
        "cause": "length",
        "answered": True,
        "fault": "option 57 has a length that its definition does not allow",
        "option": 57,
        "count": 41,
    }
    return {**HEALTH, "drops": [lost, odd], "drops_of": {LOST: lost, "52:54:00:00:00:04": odd}}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize(("name", "keys"), [("packets", "8 P"), ("packet", "8 P g down down enter")])
async def test_screen(name: str, keys: str, size: tuple[int, int], golden) -> None:
    _, at = still("working")
    source, at = still("working", packets=packets(at))
    async with console(source, at, size, keys) as (app, pilot):
        await until(pilot, lambda: "0.0.30" in shot(app))
        golden(f"{name}-{size[0]}x{size[1]}", shot(app))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_the_health_screen_shows_drops_by_cause_with_the_last_example(size: tuple[int, int], golden) -> None:
    _, at = still("working")
    source, at = still("working", health=drops(at))
    async with console(source, at, size, "8 end") as (app, _):
        golden(f"health-drops-{size[0]}x{size[1]}", shot(app))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_the_health_screen_names_who_sends_too_much(size: tuple[int, int], golden) -> None:
    _, at = still("working")
    floods = Floods(lambda: at - 12)
    for _ in range(41):
        floods.note("DHCP packets", "192.168.124.1", bytes.fromhex(LOST.replace(":", "")), "tor1:swp9")
    source, at = still("working", health={**HEALTH, "floods": floods.as_json(), "hushed": 317})
    async with console(source, at, size, "8") as (app, _):
        golden(f"health-floods-{size[0]}x{size[1]}", shot(app))


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ({"url": "https://10.0.0.5:8443", "both": True, "counters": {"refused_no_token": 3, "answered_200": 9}},
         "HTTP API        https://10.0.0.5:8443, 3 refused, needs a token and a certificate"),
        ({"why": {"code": "api_off", "sentence": "x", "advice": "y"}}, "HTTP API        off"),
        ({"why": {"code": "api_waits", "sentence": "it waits for the first plan", "advice": "commit a plan"}},
         "HTTP API        it waits for the first plan; commit a plan"),
    ],
)  # fmt: skip
async def test_the_health_screen_says_where_the_api_is(api: dict[str, object], said: str) -> None:
    _, at = still("working")
    source, at = still("working", health={**HEALTH, "api": api})
    async with console(source, at, (118, 40), "8") as (app, _):
        assert said in shot(app)


def test_a_machine_of_which_packets_are_dropped_says_so_in_its_line() -> None:
    source, at = still("begun")
    work = Work(source.world)
    work.put(Sighting(mac=LOST, kind="boot-rom", first=at - 5, last=at - 5))
    world = work.finish(keep_touched=False)
    source, at = still("begun", health=drops(at))
    source.world = world
    session = new_session(source.snapshot(), wall=lambda: at)
    text = "\n".join("".join(span for span, _ in one) for one in draw(session, 100, 30))
    assert f"{LOST}" in text
    assert "3 DHCP packets dropped, 12 s ago: it says no message type of a client; P shows them" in text.replace("12s", "12 s")


def test_p_on_a_machine_shows_its_packets_and_the_page_grows() -> None:
    source, at = still("working", packets=packets(still("working")[1])[:2])
    session = new_session(source.snapshot(), wall=lambda: at)
    session.source = source
    session.press("P")
    assert session.page.ident() == ("packets", session.screens[0].chosen().id)
    session.press("8")
    session.press("P")
    assert session.page.ident() == ("packets", "")
    assert [t.packet.number for t in session.page.things()] == [1, 2]
    source.told_packets = packets(at)
    session.page.tick()
    assert [t.packet.number for t in session.page.things()] == [1, 2, 3, 4, 5]
    assert [a[3] for a in source.asked if a[:2] == ("packets", "")] == [0, 2]
    session.page.filter("discover")
    assert [t.packet.number for t in session.page.shown()] == [1, 2]


@pytest.mark.parametrize("size", [(60, 12), (80, 24), (200, 60)])
def test_the_page_fits_every_size_whatever_a_packet_says(size: tuple[int, int]) -> None:
    source, at = still("working")
    long = "\u202e".join(["x" * 400])
    hostile = [
        told(i, at, bool(i % 2), words, b"\x1b[2J" * 40, cause=words, trouble=words if i % 3 else "")
        for i, words in enumerate(["", "a", long, "\x1b[31mred\x07", "\u202egnp.exe", "w " * 300], 1)
    ]
    source.told_packets = hostile
    session = new_session(source.snapshot(), wall=lambda: at)
    session.source = source
    session.press("P")
    for key in ("up", "g", "enter", "end", "escape", "down", "enter", "pagedown", "escape", "f"):
        lines = draw(session, *size)
        assert len(lines) == size[1]
        assert {width(one) for one in lines} == {size[0]}
        text = "".join(span for one in lines for span, _ in one)
        assert not any(c in text for c in "\x1b\x07\u202e")
        session.press(key)


def test_without_an_engine_and_in_a_look_back_the_page_says_why_it_is_empty() -> None:
    source, at = still("working")

    def refused(who: str, after: int) -> Any:
        raise PacketsError("no engine runs on /var/lib/crowbar")

    source.packets = refused  # type: ignore[method-assign]
    session = new_session(source.snapshot(), wall=lambda: at)
    session.source = source

    def work(job: Any, done: Any) -> None:
        try:
            done(job())
        except Exception as error:
            done(error)

    session.work = work
    session.press("P")
    assert "no engine runs on /var/lib/crowbar" in "".join(span for one in draw(session, 80, 24) for span, _ in one)
