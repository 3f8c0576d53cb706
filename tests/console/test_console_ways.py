"""What misled people: the cursor under a filter, marks, answers to one command for many, the words of counts and rows, and repairs by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from driving import console, press, shot, still, until

from crowbar_tui.console import repair
from crowbar_tui.console.app import Console
from crowbar_tui.console.snapshot import Said
from crowbar_tui.console.standing import standing
from engine.api.views import short
from engine.core.hardware.topology import topology
from engine.views.advice import Step, _cable
from engine.views.chain import why_chain


def name_under_the_cursor(app: Console) -> str:
    return short(app.session.rows[app.session.page.machine()].name)


async def test_under_a_filter_the_count_says_of_how_many() -> None:
    source, at = still("working")
    async with console(source, at, keys="slash 1 4 enter") as (app, pilot):
        assert re.search(r"/14 +1 of 6 ─", shot(app))
        await press(pilot, "escape")
        assert " of 6" not in shot(app).splitlines()[1], "all are shown"


async def test_the_cursor_stays_on_its_node_when_the_filter_goes() -> None:
    """Otherwise the next command acts on a node that nobody has looked at."""
    source, at = still("working")
    for keys in ("slash 1 6 escape", "slash 1 6 enter escape"):
        async with console(source, at, keys=keys) as (app, pilot):
            assert name_under_the_cursor(app) == "node-16"
            await press(pilot, "X")
            await until(pilot, lambda app=app: app.session.overlay is not None)
            assert "node-16" in shot(app)
    async with console(source, at, keys="down down slash 1 4 enter escape") as (app, _):
        assert name_under_the_cursor(app) == "node-14", "it was there before"
    async with console(source, at, keys="down slash z z z escape") as (app, _):
        assert name_under_the_cursor(app) == "node-12", "nothing was shown that it could go to"


async def test_space_marks_and_does_not_move() -> None:
    source, at = still("working")
    async with console(source, at, keys="down space") as (app, pilot):
        assert [short(app.session.rows[n].name) for n in app.session.marks] == ["node-12"]
        assert name_under_the_cursor(app) == "node-12"
        await press(pilot, "space")
        assert not app.session.marks


def refuses(node: str) -> Any:
    def answer(_verb: str, asked: str, *_: Any) -> Said:
        return Said(False, "it is not available", "press v first") if asked == node else Said(True, f"{asked} is on hold")

    return answer


async def test_all_answers_to_one_command_are_shown_refusals_first() -> None:
    source, at = still("working")
    source.answer = refuses("n3")
    async with console(source, at, keys="asterisk h") as (app, pilot):
        await until(pilot, lambda: "done" in shot(app))
        text = shot(app)
        assert "1 refused, 5 done" in text
        lines = [one for one in text.splitlines() if "it is not available" in one or "on hold" in one]
        assert "it is not available: press v first" in lines[0]
        assert len(lines) >= 6
        await press(pilot, "2")
        assert app.session.page.name == "rack", "the key that closes the box counts"


async def test_answers_to_one_command_disturb_no_question() -> None:
    source, at = still("working")
    async with console(source, at, keys="asterisk h slash n") as (app, pilot):
        await until(pilot, lambda: app.session.waiting == 0)
        await press(pilot, "o")
        assert app.session.page.needle == "no"


@pytest.mark.parametrize("world", ["working", "faulty", "ready", "begun"])
async def test_what_the_title_counts_a_row_says(world: str) -> None:
    source, at = still(world)
    async with console(source, at, size=(160, 48)) as (app, _):
        head, *body = shot(app).splitlines()
        rows = [app.session.rows[n] for n in app.session.order]
        for word in ("problem", "waiting"):
            many = sum(standing(row) == word for row in rows)
            assert many == int((re.search(rf"(\d+) {word}", head) or ["", "0"])[1])
            told = [
                one for one in body if re.search(rf"\b{word}\b|\bdiscovered\b|\bhold\b" if word == "waiting" else rf"\b{word}\b", one[:60])
            ]
            assert len(told) >= many


def test_why_and_next_say_the_same_about_a_cable() -> None:
    source, _ = still("faulty")
    world = source.world
    links = topology(world)
    wrong = next(one for one in links.links if one.check == "swapped")
    node = next(n for n in world.nodes.values() if short(n.name) == wrong.node)
    chain = why_chain(world, node, "", links)
    told = f"{wrong.nic} is in {wrong.switch}:{wrong.port}, the plan says {wrong.plan}"
    assert told in {link.sentence for link in chain.links} | {fact.text for fact in chain.facts}
    assert chain.advice
    step = _cable(world, list(world.nodes.values()), links)
    assert step is not None
    assert (step.text, step.node) == (f"{wrong.node} {told}: see 3", node.name)


async def test_nothing_is_said_to_be_powered_on_where_nothing_can_be() -> None:
    source, at = still("begun")
    async with console(source, at) as (app, pilot):
        page: Any = app.session.page
        assert "power one on" in page.nothing()
        app.session.rehearsal = True
        assert page.nothing() == "no machine seen yet: the virtual machines power on by themselves"
        step = Step(kind="power", text="power on the machines (6 are expected): they boot from the network")
        assert repair.said(app.session, step) == repair.BOOTING
        app.session.rehearsal = False
        assert repair.said(app.session, step) == step.text
        source.connection = "alone"
        source.move(source.world)
        await until(pilot, lambda: app.session.snapshot.connection == "alone")
        assert "no engine runs" in page.nothing()


async def faulty_rehearsal(tmp_path: Path) -> tuple[Any, float, Any]:
    source, at = still("faulty")
    source.where = tmp_path / "store"
    (tmp_path / "store.rack").mkdir()
    node = next(n for n in source.world.nodes.values() if short(n.name) == "node-14")
    source.repairs = {node.serial.lower(): ("disk_fails",)}
    return source, at, node


async def test_a_repair_is_offered_where_there_is_something_to_repair(tmp_path: Path) -> None:
    source, at, node = await faulty_rehearsal(tmp_path)
    async with console(source, at) as (app, pilot):
        assert "m repair" not in shot(app).splitlines()[-1]
        await press(pilot, "full_stop")
        assert "by hand" not in shot(app)
        await press(pilot, "escape m")
        assert "nothing to repair by hand" in shot(app)
        app.session.page.at, app.session.page.index, app.session.page.moved = node.id, 2, True  # type: ignore[attr-defined]
        app.paint()
        await pilot.pause()
        assert "m repair" in shot(app).splitlines()[-1]
        await press(pilot, "full_stop")
        assert "repair the machine by hand" in shot(app)
        await press(pilot, "escape w")
        assert "m repairs it (virtual rack)" in shot(app)


async def test_next_names_the_key_that_repairs_and_never_cuts_it(tmp_path: Path) -> None:
    source, at, node = await faulty_rehearsal(tmp_path)
    async with console(source, at) as (app, _):
        step = Step(kind="mend", text="node-14: raid-configure: read the log of the attempt, then press r", node=node.name, verb="retry")
        assert repair.said(app.session, step) == "node-14: raid-configure: read the log of the attempt: press m to repair it"
        cable = Step(kind="cable", text="node-10 eno2 is in tor2:swp6, the plan says tor2:swp1: see 3", node="node-10.r1.example.net")
        assert repair.said(app.session, cable).endswith("the plan says tor2:swp1: e looks again"), "it is mended, and not heard yet"


async def test_a_machine_that_never_showed_up_can_be_repaired(tmp_path: Path) -> None:
    """No row is its own, so `m` does it wherever the cursor is, once nothing else is left to do."""
    source, at, _ = await faulty_rehearsal(tmp_path)
    source.repairs = {"52:54:00:99:00:06": ("port_dead",), "d6ab": ("port_dead",)}
    async with console(source, at) as (app, _):
        session: Any = app.session
        assert repair.unseen(session) == [], "something else helps more now"
        step = Step(kind="power", text="1 of 6 expected machine never showed up: check their power and boot cable")
        session.step = lambda: step
        assert repair.unseen(session) == ["52:54:00:99:00:06"]
        assert repair.offered(session)
        assert repair.said(session, step) == "1 of 6 expected machine never showed up: press m to repair it"
        jobs: list[Any] = []
        session.work = lambda job, done: jobs.append((job, done))
        repair.mend(session)
        ((job, done),) = jobs
        assert job.args[1] == ["52:54:00:99:00:06"]
        done(Said(False, "the rack does not answer"))
        assert session.notes[-1].text == "a machine not seen yet: the rack does not answer"
