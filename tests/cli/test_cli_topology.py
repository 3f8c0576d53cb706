"""`crowbar topology`: drawn for people within 80 columns, and as JSON lines."""

from __future__ import annotations

from cli_store import Run, objects
from msgspec.structs import replace

from crowbar_tui.commands.topology import WIDTH, draw
from engine.api.control import Link, Topology
from engine.core.hardware.optics import Lane, Optics, reading
from engine.core.hardware.own_port import OwnPort
from engine.core.hardware.topology import Switch
from engine.model import Place

LINKS = (
    Link(node="ctl-1", nic="eno1", link="1g0", switch="tor1", port="swp9", plan="tor1:swp9", check="right", why="", up=True, at=100.0),
    Link(node="ctl-2", nic="eno1", link="1g0", switch="tor1", port="swp10", plan="tor1:swp10", check="right", why="", up=True, at=100.0),
    Link(
        node="node-16",
        nic="eno2",
        link="1g1",
        switch="tor1",
        port="swp17",
        plan="tor1:swp16",
        check="swapped",
        why="that port is for 1g1 of node-17 in r07 unit 17; plan says tor1:swp16",
        up=True,
        at=100.0,
    ),
    Link(
        node="node-18",
        nic="eno1",
        link="1g0",
        switch="",
        port="",
        plan="tor1:swp18",
        check="missing",
        why="the link is up, no LLDP was heard",
        up=True,
        at=100.0,
    ),
    Link(
        node="node-19",
        nic="eno1",
        link="1g0",
        switch="",
        port="",
        plan="tor2:swp19",
        check="missing",
        why="the link is down: no cable, or it ends in nothing",
        up=False,
        at=100.0,
    ),
    Link(node="node-20", nic="ens9", link="", switch="lab", port="7", plan="", check="unknown", why="not in the plan", up=True, at=100.0),
)
SWITCHES = (
    Switch(name="lab", chassis="", ports_seen=1, at=100.0),
    Switch(name="tor1", chassis="", ports_seen=3, at=100.0),
    Switch(name="tor2", chassis="", ports_seen=0, at=0.0),
)

DRAWN = """\
 lab  lldp 3s
 ! 7 ─ node-20 ens9  unknown  not in the plan

 tor1  lldp 3s
   swp9  ─ ctl-1   eno1  right
   swp10 ─ ctl-2   eno1  right
 ! swp17 ─ node-16 eno2  swapped
      that port is for 1g1 of node-17 in r07 unit 17; plan says tor1:swp16
 ! swp18 ─ (silent)  plan: node-18 eno1:  the link is up, no LLDP was heard

 tor2  not heard
 ! swp19 ─ (no link)  plan: node-19 eno1:
      the link is down: no cable, or it ends in nothing

 cables: 2 right  1 swapped  2 missing  0 silent  1 unknown"""


def test_the_drawing() -> None:
    checks = {"right": 2, "swapped": 1, "missing": 2, "silent": 0, "unknown": 1}
    drawn = draw(Topology(switches=SWITCHES, links=LINKS, checks=checks), 103.0)
    assert drawn == DRAWN
    assert max(map(len, drawn.splitlines())) <= WIDTH


def test_before_anything_was_heard() -> None:
    assert draw(Topology(switches=(), links=(), checks={}), 0.0).startswith("no link is known yet")


def test_of_a_rack(crowbar: Run) -> None:
    code, out, _ = crowbar("topology")
    assert code == 0
    assert "cables: 5 right  0 swapped  0 missing  3 silent  1 unknown" in out
    assert "! swp40 ─ compute-12 eno1  unknown" in out
    code, out, _ = crowbar("topology", "--json")
    rows = objects(out)
    assert code == 0
    assert [r["name"] for r in rows if r["type"] == "switch"] == ["mgmt", "tor1", "tor2"]
    assert len([r for r in rows if r["type"] == "link"]) == 9
    assert rows[-1] == {"type": "summary", "right": 5, "swapped": 0, "missing": 0, "silent": 3, "unknown": 1}


def test_of_one_node(crowbar: Run) -> None:
    code, out, _ = crowbar("topology", "control-10")
    assert code == 0
    assert "cables: 2 right  0 swapped  0 missing  1 silent  0 unknown" in out
    assert " networks\n  admin        10.0.0.101/24" in out
    rows = objects(crowbar("topology", "control-10", "--json")[1])
    assert [r["network"] for r in rows if r["type"] == "network"] == ["admin"]
    assert {r["node"] for r in rows if r["type"] == "link"} == {"control-10"}
    (told,) = objects(crowbar("explain", "control-10", "network-admin", "--json")[1])
    assert [one["address"] for one in told["networks"]] == ["10.0.0.101/24"]
    assert crowbar("topology", "nobody")[0] == 2


def test_light_and_place() -> None:
    dark = replace(LINKS[0], optics=reading(Optics(kind="SFP", lanes=(Lane(rx=-28.0),))))
    here = OwnPort(node="crowbar", interface="eno1", switch="tor1", port="swp48", chassis="c", place=Place(rack="r1", unit=1))
    text = draw(Topology(switches=SWITCHES, links=(dark,), checks={"right": 1}, here=here), now=103.0)
    assert text.startswith(" you are here: eno1 in tor1 swp48, r1 unit 1\n")
    assert " ! swp9 ─ ctl-1 eno1  right\n      receive power -28 dBm: no light; clean or reseat\n" in text
    assert draw(Topology(switches=(), links=(), checks={}, here=here), now=1.0).splitlines()[2].startswith("no link is known yet")
