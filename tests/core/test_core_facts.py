"""Odd facts about a machine that stop nothing. The node's page and `explain` show them."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import BOOTS, ask, hello, script
from msgspec.structs import replace
from world_rig import WorldRig, mac, uuid

from engine.effects import Welcome
from engine.model import NodeRole, State
from engine.serve.bodies import HelloBody, parse, parse_clock
from engine.views.chain import why_chain
from engine.views.facts import node_facts
from engine.views.node_view import node_page


def told(d: WorldRig, node: str = "n1") -> dict[str, str]:
    return dict(node_facts(d.world, d.node(node)))


def test_an_ordinary_machine_has_none() -> None:
    d = WorldRig(BOOTS)
    d.server(clock_off=3)
    assert told(d) == {}
    assert node_page(d.world, d.node()).facts == ()


def test_a_shared_uuid_is_on_the_pages_of_both() -> None:
    d = WorldRig(BOOTS)
    d.server(uuid=uuid(9))
    d.server("n2", uuid=uuid(9))
    assert told(d)["identity"] == f"n2 also shows the UUID {uuid(9)}, so the engine recognises this node by its serial"
    assert told(d, "n2")["identity"].startswith("n1 also shows")
    assert node_page(d.world, d.node()).identity == "serial"
    assert [f.text for f in why_chain(d.world, d.node()).facts if f.label == "identity"] == [told(d)["identity"]]


@pytest.mark.parametrize(
    ("off", "text"),
    [
        (-220_000_000, "2546 days 7 h behind the engine's"),
        (370_000_123, "4282 days 9 h ahead of the engine's"),
        (61, "1 min 1 s ahead of the engine's"),
        (-3600, "1 h behind the engine's"),
        (59, ""),
        (None, ""),
    ],
)
def test_the_clock_that_a_machine_brought(off: int | None, text: str) -> None:
    d = WorldRig(BOOTS)
    d.server(stage="discovery", runs="", alive=False)
    d.feed(ask(), script())
    wall = round(1e9 + d.now)
    d.feed(hello(clock=None if off is None else wall + off))
    assert d.one(Welcome)
    assert d.node().clock_off == off
    assert told(d).get("clock", "") == (f"at the last hello, the machine's clock was {text}" if text else "")
    d.feed(ask(), script("h3"))
    d.nobody_answers()
    d.feed(hello("b3", nonce="h3"))
    assert told(d) == {}, "an agent of before tells none"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("1795879200", 1795879200),
        ("1795879200.75", 1795879200),
        ("0", 0),
        ("-1", None),
        ("1e300", None),
        ("1e400", None),
        ("null", None),
        ('"2019"', None),
        ("[1]", None),
        ("{}", None),
        ("true", None),
        ("99999999999999999999999999", None),
        ("[" * 60 + "]" * 60, None),
    ],
)
def test_no_clock_costs_a_hello(given: str, taken: int | None) -> None:
    body = parse(HelloBody, f'{{"boot_id":"b1","environment":"sledgehammer","clock":{given}}}'.encode())
    assert parse_clock(body.clock) == taken


def test_a_hello_without_a_clock_is_whole() -> None:
    assert parse_clock(parse(HelloBody, b'{"boot_id":"b1","environment":"sledgehammer"}').clock) is None


def test_channels_and_clock_of_the_bmc() -> None:
    d = WorldRig(BOOTS)
    d.server()
    channels = [
        {"channel": 1, "address": "", "mac": "00:30:48:f4:4d:81"},
        {"channel": 3, "address": "10.1.2.3", "mac": "00:30:48:f4:4d:83"},
    ]
    gave: dict[str, Any] = {"bmc": {"address": "10.1.2.3", "mac": "00:30:48:f4:4d:83", "channels": channels, "clock_off": -90000}}
    d.put(NodeRole(node="n1", role="bmc-discover", deployment="system", state=State.ACTIVE, gave=gave))
    assert told(d) == {
        "bmc clock": "the BMC's clock is 1 days 1 h behind the engine's",
        "bmc lan": "channel 1: no address 00:30:48:f4:4d:81, 3: 10.1.2.3 00:30:48:f4:4d:83",
    }
    for junk in (None, [], "x", {"clock_off": "x", "channels": [3, None]}):
        d.put(replace(d.at("bmc-discover"), gave={"bmc": junk}))
        assert told(d).keys() == {"inventory"}, "the barclamp broke its promise"


def test_what_else_a_port_hears() -> None:
    d = WorldRig(BOOTS)
    d.server(macs=(mac(1),))
    heard = [
        {"nic": "eno1", "chassis": "c1", "port": "swp1", "system": "tor1", "port_description": ""},
        {"nic": "eno1", "chassis": "c2", "port": "Port 1", "system": "phone", "port_description": "", "capabilities": ["Bridge", "Tel"]},
    ]
    d.put(NodeRole(node="n1", role="lldp", deployment="system", state=State.ACTIVE, gave={"neighbours": heard}))
    assert told(d) == {"cable": "eno1 also hears phone:Port 1 (a telephone)"}


def test_who_asks_to_boot_in_the_nodes_name() -> None:
    d = WorldRig(BOOTS)
    d.server()
    d.feed(ask(), script("h9"))
    assert told(d)["boot"] == f"{mac(1)} at 10.0.0.30 asks to boot (script); the engine asks whether the node is still up"
    d.nobody_answers()
    assert told(d)["boot"] == f"{mac(1)} at 10.0.0.30 asks to boot (script); the engine waits for its hello"
    d.feed(hello("b9", nonce="h9"))
    assert "boot" not in told(d)
