"""Each screen in its main states, as plain text, at four sizes. The files are read by people: a change to one is a change of the console."""

from __future__ import annotations

import pytest
from driving import APP, SIZES, console, drawn, shot, still
from msgspec.structs import replace
from still import Still

from crowbar_tui.console.frame import draw
from crowbar_tui.console.glyphs import CP437
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.styled import plain, width
from crowbar_tui.console.theme import NAMES
from engine import reasons
from engine.core.hardware.inventory import REPORTS
from engine.core.world.work import Work
from engine.model import Rumour, Signal

SCREENS = {
    "nodes-begun": ("begun", "", {}),
    "nodes-working": ("working", "", {}),
    "nodes-faulty": ("faulty", "", {}),
    "nodes-asks": ("asks", "down", {}),
    "nodes-ready": ("ready", "", {}),
    "nodes-empty": ("empty", "", {}),
    "nodes-marked": ("working", "space space s", {}),
    "nodes-filtered": ("faulty", "slash p r o b", {}),
    "nodes-no-engine": ("ready", "", {"connection": "alone", "trouble": "no engine runs on /var/lib/crowbar"}),
    "rack-faulty": ("faulty", "2", {}),
    "rack-working": ("working", "2", {}),
    "rack-empty": ("empty", "2", {}),
    "topology-faulty": ("faulty", "3", {}),
    "topology-begun": ("begun", "3", {}),
    "roles-faulty": ("faulty", "4 down down down right right right right", {}),
    "roles-lists-working": ("working", "4 tab", {}),
    "roles-lists-faulty": ("faulty", "4 tab down", {}),
    "plan-working": ("working", "5", {}),
    "plan-text": ("working", "5 tab", {}),
    "plan-empty": ("empty", "5", {}),
    "networks-working": ("working", "6", {}),
    "events-working": ("working", "7", {}),
    "health-working": ("working", "8", {}),
    "health-no-engine": ("ready", "8", {"connection": "alone", "trouble": "no engine runs on /var/lib/crowbar", "health": {}}),
    "node-working": ("working", "enter", {}),
    "node-booting": ("working", "down enter", {}),
    "node-faulty": ("faulty", "down down enter", {}),
    "node-networks": ("faulty", "down down enter o", {}),
    "node-story": ("faulty", "down down enter o o", {}),
    "settings-node": ("ready", "A down down", {}),
    "settings-role": ("faulty", "down down enter down down A", {}),
    "settings-deployment": ("working", "5 A 1", {}),
    "settings-set": ("ready", "A enter", {}),
    "revisions": ("working", "5 v", {}),
    "revision": ("working", "5 v enter", {}),
    "systems": ("asks", "t", {}),
    "node-ready": ("ready", "enter", {}),
    "why-role": ("faulty", "down down w", {}),
    "why-problem": ("faulty", "down down down w", {}),
    "why-approval": ("asks", "w", {}),
    "why-working": ("working", "w", {}),
    "help": ("faulty", "question_mark", {}),
    "menu": ("faulty", "full_stop", {}),
    "palette": ("faulty", "colon n o d e", {}),
    "power": ("faulty", "p", {}),
    "approve": ("asks", "a", {}),
    "reinstall": ("ready", "I", {}),
    "delete": ("ready", "D", {}),
    "stop": ("ready", "Q", {}),
    "notes-none": ("ready", "n", {}),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str, size: tuple[int, int], golden) -> None:
    world, keys, more = SCREENS[name]
    source, at = still(world, **more)
    if size in APP:
        async with console(source, at, size, keys) as (app, _):
            text = shot(app)
    else:
        text = drawn(source, at, size, keys)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert all(len(one) <= size[0] for one in lines)
    assert not {c for c in text if not c.isascii()} - CP437
    golden(f"{name}-{size[0]}x{size[1]}", text)


def reported() -> tuple[Still, float]:
    """A machine whose tools reported what it is made of, twice: a DIMM went between the looks."""
    source, at = still("ready")
    node = source.world.node_named("node-10")
    work = Work(source.world)
    role = work.node_roles[node.id, "inventory"]
    facts = {
        "system": "Example Servers R640",
        "processors": "2 x Xeon Gold 6230",
        "memory": "368 GiB",
        "dimms": "23 x 16 GiB DDR4 2933 MT/s",
        "drives": "2 x SSD 480 GB SATA; 4 x HDD 8.0 TB SAS",
        "controllers": "1 x PERC H740P Mini",
        "ports": "4 x BCM57412 10 Gbit/s; 2 x I350 1 Gbit/s",
        "supplies": "2 x 750 W",
        "tpm": "2.0",
        "bios-version": "2.10.0",
        "bmc-version": "4.22.00.53",
    }
    told = {"digest": "0" * 64, "at": at - 40, "facts": facts, "changes": ["DIMM A7: gone (16 GiB DDR4, serial 40E1)"]}
    work.put_role(replace(role, gave={**role.gave, REPORTS: told}))
    source.world = work.finish()
    return source, at


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_a_machine_is_made_of(size: tuple[int, int], golden) -> None:
    source, at = reported()
    text = drawn(source, at, size, "enter o")
    assert not {c for c in text if not c.isascii()} - CP437
    golden(f"node-made-of-{size[0]}x{size[1]}", text)


CLAIMS = {"claim-node": "enter", "claim-why": "w end", "claim-nodes": "", "rumour-node": "down enter", "rumour-health": "8"}
"""A claim that the agent could not prove, and somebody who asks to boot in the name of a node that is up."""


def strangers() -> tuple[Still, float]:
    source, at = still("asks")
    first, second = (source.world.node_named(name) for name in ("node-10", "node-12"))
    ip = "10.0.0.101"
    failure = reasons.not_written(node=first.name, message="ipmitool: no such file or directory")
    said = {"node": first.name, "fingerprint": "3f9a-01bc", "address": ip}
    notice = reasons.not_proved(tries=3, message=reasons.sentence(failure), **said)
    spoken = reasons.not_its_boot(node=second.name, mac="52:54:00:00:00:0c", address="10.0.0.177", port="tor1:swp31")
    work = Work(source.world)
    plan = source.world.plan
    work.use(replace(plan, site=replace(plan.site, trust="confirmed"), approve=replace(plan.approve, wipe="all")), source.world.catalog)
    work.put_node(replace(first, address=ip, runs="sledgehammer", claim="h", fingerprint="3f9a-01bc", notice=notice))
    for key in work.roles_of.get(first.id) or ():
        work.put_role(replace(work.node_roles[key], approved="plan"))
    rumour = Rumour(
        mac="52:54:00:00:00:0c",
        address="10.0.0.177",
        port="tor1:swp31",
        environment="sledgehammer",
        signal=Signal.SCRIPT,
        at=at,
        deadline=1e9,
        passes=1,
    )
    work.put_node(replace(second, rumour=rumour, notice=spoken))
    source.world = work.finish()
    told = {"sentence": reasons.sentence(spoken), "count": 3, "at": at - 12, "mac": "52:54:00:00:00:0c"}
    source.health = {**source.health, "refusals": {**source.health.get("refusals", {}), "not_its_boot": told}}
    return source, at


@pytest.mark.parametrize("size", APP, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", CLAIMS)
async def test_what_a_stranger_does_is_shown_as_a_whole(name: str, size: tuple[int, int], golden) -> None:
    source, at = strangers()
    async with console(source, at, size, CLAIMS[name]) as (app, _):
        text = shot(app)
    if name == "claim-why":
        words = " ".join(text.split()).replace(".r1.example.net", "")
        assert "if the machine's own screen shows 3f9a-01bc, press f (crowbar node node-10 confirm 3f9a-01bc)" in words
        assert "the machine at 10.0.0.101 answers in its name: unplug that one, then power-cycle node-10" in words
    golden(f"{name}-{size[0]}x{size[1]}", text)


@pytest.mark.parametrize("theme", NAMES)
async def test_a_theme_changes_colours_and_no_word(theme: str, golden) -> None:
    source, at = still("faulty")
    async with console(source, at, theme=theme) as (app, _):
        golden("nodes-faulty-80x24", shot(app))


async def test_ascii_says_the_same_in_ascii(golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_ASCII", "1")
    source, at = still("faulty")
    async with console(source, at, keys="2") as (app, _):
        text = shot(app)
    assert text.isascii()
    golden("rack-faulty-ascii-80x24", text)


@pytest.mark.parametrize("name", ["faulty", "working", "asks", "begun", "empty"])
@pytest.mark.parametrize("size", [(60, 12), (61, 13), (80, 16), (100, 30), (200, 60)])
def test_every_screen_fits_every_size(size: tuple[int, int], name: str) -> None:
    """Whatever lies over it: exactly so many lines of so many cells."""
    source, at = still(name)
    session = new_session(source.snapshot(), wall=lambda: at)
    for digit in "12345678":
        for keys in ("", "tab", "down down enter", "w", "?", "escape .", "escape :", "escape p", "escape I", "escape /", "escape escape"):
            for key in f"{digit if not keys else ''} {keys}".split():
                session.press(key)
            lines = draw(session, *size)
            assert len(lines) == size[1]
            assert {width(one) for one in lines} == {size[0]}, plain(lines[-1])


async def test_it_says_when_it_is_too_small_and_comes_back(golden) -> None:
    source, at = still("faulty")
    async with console(source, at, (40, 10)) as (app, pilot):
        assert "too small: 40x10" in shot(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        golden("nodes-faulty-80x24", shot(app))
