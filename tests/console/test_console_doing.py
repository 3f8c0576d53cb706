"""Keys that do things: what the engine is asked, what is asked of the operator first, and how answers are shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from driving import console, press, shot, still, until
from msgspec.structs import replace

from crowbar_tui.console.snapshot import Said
from crowbar_tui.console.standing import standing
from engine.core.world.work import Work
from engine.definitions import ImageDef
from engine.model import Bmc


async def asked(world: str, keys: str, answer: Said | None = None, many: int = 1) -> tuple[list, str]:
    source, at = still(world)
    if answer is not None:
        source.answer = lambda *_: answer
    async with console(source, at, keys=keys) as (app, pilot):
        await until(pilot, lambda: len(app.session.notes) >= many)
        await pilot.pause()
        return source.asked, shot(app)


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ("r", ("retry", "n1", "", None)),
        ("h", ("hold", "n1", "", None)),
        ("i", ("identify", "n1", "", None)),
        ("v y", ("unavailable", "n1", "", None)),
        ("e y", ("reset", "n1", "", None)),
        ("D y", ("delete", "n1", "", None)),
        ("p o", ("power", "n1", "", "on")),
        ("p f y", ("power", "n1", "", "off")),
        ("p c y", ("power", "n1", "", "cycle")),
        ("p s y", ("power", "n1", "", "soft")),
        ("p question_mark", ("power", "n1", "", "status")),
        ("p F y", ("power", "n1", "", {"action": "off", "force": True})),
        ("p C y", ("power", "n1", "", {"action": "cycle", "force": True})),
        ("p down enter y", ("power", "n1", "", "off")),
        ("full_stop M n 7 enter y", ("merge", "n1", "", "n7")),
        ("O n 7 enter y", ("replace", "n1", "", "n7")),
        ("Z y", ("split", "n1", "", None)),
        ("b y", ("ban", "n1", "", None)),
        ("full_stop r", ("retry", "n1", "", None)),
        ("colon h o l d enter", ("hold", "n1", "", None)),
        ("enter down down down down down r", ("retry", "n1", "os-install", None)),
        ("enter down down down down down down x y", ("skip", "n1", "network-admin", None)),
    ],
)
async def test_a_key_gives_the_order(keys: str, order: tuple) -> None:
    orders, text = await asked("working", keys, Said(True, "node-10 it is done"))
    assert orders[0][0] == order[0]
    assert (orders[0][2], orders[0][3]) == (order[2], order[3])
    assert len(orders) == 1
    assert "√ node-10 it is done" in text


async def test_a_machine_that_is_no_node_is_banned_by_its_mac() -> None:
    orders, _ = await asked("begun", "b y")
    assert orders == [("ban", "52:54:00:00:00:02", "", None)]


async def test_what_destroys_is_typed() -> None:
    source, at = still("ready")
    async with console(source, at, keys="I") as (app, pilot):
        text = shot(app)
        assert "S3YJNX0" in text
        assert "type node-10 to do it" in text
        await press(pilot, "y enter")
        assert not source.asked, "a yes is not enough"
        await press(pilot, "backspace n o d e minus 1 1 enter")
        assert not source.asked, "another name is not enough"
        await press(pilot, "backspace 0 enter")
        await until(pilot, lambda: source.asked)
    assert [(o[0], o[3]) for o in source.asked] == [("reinstall", None)]


async def test_a_system_is_chosen_for_an_install(monkeypatch: pytest.MonkeyPatch) -> None:
    source, at = still("asks")
    for name in ("debian-12", "ubuntu-24.04"):
        monkeypatch.setitem(source.world.catalog.images, name, ImageDef(name=name, kind="system"))
    async with console(source, at, keys="t") as (app, pilot):
        text = shot(app)
        assert "install which system on" in text
        assert "as planned" in text
        await press(pilot, "2")
        assert "with ubuntu-24.04?" in shot(app)
        await answer_yes(app, pilot)
        await until(pilot, lambda: source.asked)
        assert (source.asked[0][0], source.asked[0][3]) == ("install", "ubuntu-24.04")
        await press(pilot, "t p")
        await answer_yes(app, pilot)
        await until(pilot, lambda: len(source.asked) == 2)
        assert (source.asked[1][0], source.asked[1][3]) == ("install", None)


async def test_escape_goes_back_by_one() -> None:
    source, at = still("faulty")
    async with console(source, at, keys="4 enter w") as (app, pilot):
        assert [p.name for p in app.session.stack] == ["roles", "node", "why"]
        await press(pilot, "escape escape")
        assert [p.name for p in app.session.stack] == ["roles"]
        await press(pilot, "escape")
        assert [p.name for p in app.session.stack] == ["nodes"]


async def answer_yes(app: Any, pilot: Any) -> None:
    """Whatever the question wants."""
    word = getattr(app.session.overlay, "_word", "")
    for letter in word:
        await pilot.press({"-": "minus", " ": "space"}.get(letter, letter))
    await press(pilot, "enter" if word else "y")


async def test_many_are_typed_by_their_number_and_each_is_asked() -> None:
    source, at = still("asks")
    async with console(source, at, keys="asterisk a") as (app, pilot):
        assert "type 6 nodes to do it" in shot(app)
        await press(pilot, "6 space n o d e s enter")
        await until(pilot, lambda: len(source.asked) == 6 and app.session.waiting == 0)
        assert not app.session.marks
    assert {o[0] for o in source.asked} == {"approve"}
    assert len({o[1] for o in source.asked}) == 6


async def test_no_is_what_enter_and_escape_mean() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        for keys in ("D enter", "D escape", "D n", "p f n", "e q"):
            await press(pilot, keys)
            assert app.session.overlay is None
    assert not source.asked


async def test_a_refusal_is_shown_with_its_reason_and_kept() -> None:
    refusal = Said(False, "retry is not possible: node node-10.r1.example.net is not failed", "wait")
    _, text = await asked("working", "r", refusal)
    assert "! retry is not possible: node node-10 is not failed: wait" in text
    _, text = await asked("working", "r n", refusal)
    assert "retry is not possible: node node-10 is not failed" in text.split("next")[0]


async def test_without_an_engine_nothing_is_asked() -> None:
    source, at = still("working", connection="alone", trouble="no engine runs on /var/lib/crowbar")
    async with console(source, at, keys="r") as (app, _):
        assert not app.session.notes[-1].ok
        assert "no engine" in shot(app).splitlines()[0]
    assert not source.asked


async def test_an_order_that_breaks_the_source_is_told() -> None:
    source, at = still("working")

    def answer(*_: object) -> Said:
        raise OSError("the wire is cut")

    source.answer = answer
    async with console(source, at, keys="r") as (app, pilot):
        await until(pilot, lambda: app.session.notes)
        assert "the wire is cut" in app.session.notes[-1].text


@pytest.mark.parametrize(("keys", "ends"), [("q", "leave"), ("Q y", "stop"), ("ctrl+c", "leave"), ("colon q u i t enter", "leave")])
async def test_it_ends(keys: str, ends: str) -> None:
    source, at = still("ready")
    async with console(source, at) as (app, pilot):
        for key in keys.split():
            await pilot.press(key)
        await until(pilot, lambda: app.return_value is not None)
    assert app.return_value == ends


async def test_q_in_a_question_is_no_end() -> None:
    source, at = still("ready")
    async with console(source, at, keys="slash q") as (app, _):
        assert app.return_value is None
        assert app.session.page.needle == "q"


async def test_the_picture_follows_the_world() -> None:
    source, at = still("faulty")
    ready, _ = still("ready")
    async with console(source, at) as (app, pilot):
        assert "2 problems" in shot(app)
        source.move(ready.world)
        await until(pilot, lambda: "6 ready" in shot(app))
        assert "problem" not in shot(app)
        assert app.session.counts["ready"] == 6
        assert sum(app.session.counts.values()) == 6


async def test_the_counts_are_those_of_the_rows_that_somebody_looked_at_meanwhile() -> None:
    """A row that is looked at follows what other nodes do, as when the admin node's role ends and the reason of a server changes."""
    source, at = still("faulty")
    ready, _ = still("ready")
    async with console(source, at) as (app, pilot):
        session = app.session
        assert Counter(standing(session.row(node)) for node in session.order) == +session.counts
        seen = next(node for node in session.order if standing(session.row(node)) != "ready")
        rest = [node for node in ready.world.nodes if node != seen]
        source.move(ready.world, touched=frozenset(rest))
        await until(pilot, lambda: session.snapshot.seq == source.seq)
        session.row(seen)
        assert Counter(standing(row) for node in session.order if (row := session.rows[node])) == +session.counts
        source.move(ready.world, touched=frozenset([seen]))
        await until(pilot, lambda: session.counts["ready"] == 6)
        assert +session.counts == {"ready": 6}


async def test_an_engine_that_goes_and_comes_back() -> None:
    source, at = still("ready")
    async with console(source, at) as (app, pilot):
        source.connection, source.trouble = "alone", "no engine runs on /var/lib/crowbar: start one"
        source.move(source.world)
        await until(pilot, lambda: "no engine" in shot(app).splitlines()[0])
        source.connection, source.trouble = "attached", ""
        source.move(source.world)
        await until(pilot, lambda: "the engine answers again" in shot(app))


async def test_only_what_changed_is_painted() -> None:
    source, at = still("working")
    now = [at]
    async with console(source, at) as (app, pilot):
        app.session.wall = lambda: now[0]
        before = app.lines_widget.repainted
        app.paint()
        assert app.lines_widget.repainted == before, "nothing changed"
        now[0] += 1
        app.paint()
        await pilot.pause()
        assert 0 < app.lines_widget.repainted - before < 60, "a second costs the digits of clock and ages"


async def test_a_paste_is_typed() -> None:
    from textual import events

    source, at = still("faulty")
    async with console(source, at, keys="slash") as (app, pilot):
        app.post_message(events.Paste("node-1\n2"))
        await until(pilot, lambda: app.session.page.needle == "node-1")


async def test_a_resize_is_taken_up_where_timers_skip_what_they_are_late_for() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        app.set_timer = lambda *_, **__: type("Late", (), {"stop": lambda _self: None})()  # it never fires, as on a loaded machine
        for size in ((120, 40), (50, 20), (80, 24)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: (app.screen.size.width, app.screen.size.height) == size)
            await until(pilot, lambda size=size: [len(line) for line in shot(app).splitlines()[1:2]] == [size[0]] or size[0] < 60)
            assert len(shot(app).splitlines()) == size[1]


def with_claims(source: Any, names: tuple[str, ...]) -> None:
    """Nodes whose claims nothing has confirmed."""
    work = Work(source.world)
    for number, node in enumerate(names):
        work.put_node(replace(source.world.node_named(node), runs="sledgehammer", claim="h", fingerprint=f"0a1b-000{number}"))
    source.world = work.finish()


async def test_a_claim_is_confirmed_by_its_fingerprint() -> None:
    source, at = still("working")
    with_claims(source, ("node-10",))
    async with console(source, at, keys="f") as (app, pilot):
        text = shot(app)
        assert "confirm node-10?" in text
        assert "0a1b-0000" in text
        assert "the screen of each machine itself" in text
        await press(pilot, "n")
        assert not source.asked
        await press(pilot, "f y")
        await until(pilot, lambda: source.asked)
    assert [(o[0], o[3]) for o in source.asked] == [("confirm", "0a1b-0000")]


async def test_marked_claims_are_confirmed_each_with_its_own_fingerprint() -> None:
    source, at = still("working")
    with_claims(source, ("node-10", "node-12", "node-14"))
    async with console(source, at, keys="asterisk f") as (app, pilot):
        text = shot(app)
        assert all(f"0a1b-000{i}" in text for i in range(3))
        # A claim that comes while the question is open is not what was compared: the engine gets what was shown.
        with_claims(source, ("node-12", "node-10", "node-14"))
        await press(pilot, "y")
        await until(pilot, lambda: len(source.asked) == 3 and app.session.waiting == 0)
        assert not app.session.marks
    sent = {(source.world.nodes[o[1]].name.split(".")[0], o[3]) for o in source.asked}
    assert sent == {("node-10", "0a1b-0000"), ("node-12", "0a1b-0001"), ("node-14", "0a1b-0002")}


async def test_no_confirmation_is_offered_without_a_claim() -> None:
    source, at = still("working")
    async with console(source, at, keys="f") as (app, _):
        assert app.session.overlay is None
    assert not source.asked


async def test_the_page_of_a_node_shows_its_fingerprint() -> None:
    source, at = still("asks")
    work = Work(source.world)
    site = replace(source.world.plan.site, trust="confirmed")
    work.use(replace(source.world.plan, site=site), source.world.catalog)
    source.world = work.finish()
    with_claims(source, ("node-10",))
    async with console(source, at, keys="enter") as (app, _):
        assert "fingerprint 0a1b-0000: press f if its own screen shows the same" in shot(app)


async def test_the_page_of_a_node_shows_its_bmcs_wrong_clock_also_during_a_boot() -> None:
    source, at = still("working")
    work = Work(source.world)
    for node in list(source.world.nodes.values()):
        work.put_node(replace(node, bmc=replace(node.bmc or Bmc(address="10.0.1.9"), clock_off_s=-7200)))
    source.world = work.finish()
    for keys, shows in (("enter", " runs  "), ("down enter", " boot  #1")):
        async with console(source, at, keys=keys) as (app, _):
            assert shows in shot(app)
            assert "its clock is 2h00m behind ours" in shot(app)


async def test_health_says_that_the_network_is_trusted() -> None:
    for trust in ("network", "confirmed"):
        source, at = still("working")
        work = Work(source.world)
        work.use(replace(source.world.plan, site=replace(source.world.plan.site, trust=trust)), source.world.catalog)
        source.world = work.finish()
        async with console(source, at, keys="8") as (app, _):
            assert ("site.trust: network" in shot(app)) is (trust == "network")
