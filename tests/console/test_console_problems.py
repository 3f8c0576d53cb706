"""The queue of problems, `[` and `]`, the next line as a link, the loud line with its bell, and what other consoles do."""

from __future__ import annotations

import itertools
import re

import pytest
import worlds
from driving import still
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crowbar_tui.console import alerts, company
from crowbar_tui.console.alerts import Alerts, sequence, way
from crowbar_tui.console.frame import draw
from crowbar_tui.console.orders import Order
from crowbar_tui.console.pages.node import NodeScreen
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.snapshot import Said
from crowbar_tui.console.styled import plain, width
from engine.api.views import problem_queue
from engine.core.world.work import Work
from engine.model import Acknowledged
from engine.store.journal import JournalRow


def shown(session: Session, columns: int = 80, rows: int = 24) -> str:
    lines = draw(session, columns, rows)
    assert len(lines) == rows
    assert {width(one) for one in lines} == {columns}
    return "\n".join(plain(one).rstrip() for one in lines) + "\n"


def opened(name: str, keys: str = ""):
    source, at = still(name)
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    given: list[Order] = []
    session.send = given.extend
    press(session, keys)
    return session, source, given


def press(session: Session, keys: str) -> None:
    shown(session)
    for key in keys.split():
        session.press(key)
        shown(session)


def seen(world, node: str, **more):
    """The world after somebody acknowledged what this node has."""
    marks = [one.mark for one in problem_queue(world) if one.node == node]
    work = Work(world)
    notes = tuple(Acknowledged(problem=mark, who="ada", at=1.0, note="a disk comes on Tuesday") for mark in marks)
    work.put_node(replace(world.nodes[node], acknowledged=notes, **more))
    return work.finish(keep_touched=False)


@pytest.mark.parametrize("name", ["faulty", "asks", "ready", "working"])
@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_queue_of_problems(golden, name, size) -> None:
    session, _, _ = opened(name, "!")
    golden(f"problems-{name}-{size[0]}x{size[1]}", shown(session, *size))


def test_everything_in_the_queue_has_its_cause_and_advice_uncut() -> None:
    session, _, _ = opened("faulty", "!")
    for one in session.queue():
        text = " ".join(shown(session).split())
        assert one.sentence.split(":")[-1] in text
        assert " ".join(session.say(one.advice).split()) in text
        session.press("j")


def test_an_acknowledgement_names_the_problem_that_the_screen_shows_and_who_gave_it() -> None:
    session, source, given = opened("faulty", "! K")
    first = session.queue()[0]
    for letter in "disk on Tuesday":
        session.press("space" if letter == " " else letter)
    session.press("enter")
    assert given == [Order("acknowledge", first.node, "", {"note": "disk on Tuesday", "problems": [first.mark]})]
    source.move(seen(source.world, first.node), frozenset({first.node}))
    session.take(source.snapshot())
    text = shown(session)
    assert "2 for a person, 1 acknowledged" in text
    assert text.index("node-16") < text.index("seen   node-14") < text.index("ada: a disk comes on Tuesday")
    press(session, "G K")
    assert given[-1].value == {"note": "", "problems": [first.mark]}


def test_a_machine_that_is_no_node_cannot_be_acknowledged_and_the_screen_says_so() -> None:
    session, _, given = opened("ready", "! K")
    assert not given
    assert "nothing needs a person" in shown(session)


@pytest.mark.parametrize("keys", ["]", "] ]", "] ] ]", "] ] ] ]", "[", "[ ["])
def test_the_next_and_the_previous_problem_go_around(keys) -> None:
    session, _, _ = opened("faulty", keys)
    queue = session.queue()
    at = -1
    for key in keys.split():
        at = (at + 1) % len(queue) if key == "]" else (at - 1 if at >= 0 else len(queue) - 1) % len(queue)
    assert session.problem_at == queue[at].key
    assert f"problem {at + 1} of 3" in shown(session)
    if queue[at].page == "topology":
        assert session.page.name == "topology"
    else:
        assert isinstance(session.page, NodeScreen)
        assert session.page.id == queue[at].node
        assert not queue[at].role or session.page.subject().role == queue[at].role
    assert sum(isinstance(page, NodeScreen) for page in session.stack) <= 1


def test_acknowledged_problems_are_passed_over() -> None:
    session, source, _ = opened("faulty")
    first = session.queue()[0]
    source.move(seen(source.world, first.node))
    session.take(source.snapshot())
    assert {one.node for one in session.queue() if one.open} == {one.node for one in session.queue()} - {first.node}
    for _ in range(4):
        session.press("]")
        assert session.problem_at != first.key


@pytest.mark.parametrize("name", sorted(worlds.MADE))
def test_g_n_goes_where_the_next_line_points_and_esc_comes_back_to_the_same_row(name) -> None:
    session, _, _ = opened(name, "j j")
    before, cursor = session.page, session.page.subject()
    step = session.step()
    press(session, "g n")
    if step.node:
        subject = session.page.subject()
        assert subject.nodes == (session.node(step.node).id,)
        assert step.kind != "mend" or subject.role == step.role
    if session.page is not before:
        press(session, "escape")
        assert session.page is before
        assert session.page.subject() == cursor


def test_enter_follows_the_next_line_where_there_is_nothing_to_open() -> None:
    session, _, _ = opened("faulty", "8")
    press(session, "enter")
    assert isinstance(session.page, NodeScreen)
    assert session.page.subject().role == "raid-configure"


def test_g_and_n_alone_still_do_what_they_did() -> None:
    session, _, _ = opened("faulty", "j j j g")
    assert session.page.index == 0
    press(session, "j n")
    assert session.page.name == "notes"


# -- the loud line ----------------------------------------------------------------------------------------------------


def test_the_bell_rings_once_when_something_new_needs_a_person_and_the_line_goes_with_the_next_key(monkeypatch) -> None:
    source, at = still("working")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    rung: list[str] = []
    session.ring = rung.append
    session.take(source.snapshot())
    assert not rung, "what was so at the beginning is no news"
    source.move(worlds.load("faulty")[0])
    session.take(source.snapshot())
    assert len(rung) == 1
    assert "node-14 and 1 more need you" in rung[0]
    assert "need you" in shown(session)
    session.take(source.snapshot())
    assert len(rung) == 1
    press(session, "j")
    assert "g n goes there" not in shown(session)
    press(session, "n")
    assert "need you" in shown(session), "the notes keep it"
    source.move(worlds.load("ready")[0])
    session.take(source.snapshot())
    assert rung[1:] == ["the rack is ready: 6 of 6 nodes"]


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdef")), st.floats(0, 30)), max_size=30))
def test_each_new_need_is_told_once_and_not_too_often(moves) -> None:
    told: list[tuple[float, frozenset[str]]] = []
    watch, now = Alerts(), 0.0
    watch.take(set(), 0, 6, now)
    for needy, seconds in moves:
        now += seconds
        kind, new = watch.take(needy, 6 - len(needy), 6, now)
        if kind == "person":
            told.append((now, new))
            assert new
            assert new <= needy
    assert all(b[0] - a[0] >= alerts.PACE_S for a, b in itertools.pairwise(told))
    kind, new = watch.take({"z"}, 0, 6, now + 60)
    assert kind == "person"
    assert "z" in new


@given(st.text(max_size=400), st.sampled_from(alerts.WAYS))
def test_a_notification_cannot_be_ended_by_its_text(text, how) -> None:
    said = sequence(text, how)
    inside = said.removeprefix("\a").removesuffix("\x1b\\")
    assert said.count("\x1b\\") == (how in ("osc9", "osc777"))
    assert all(letter.isprintable() for letter in inside.removeprefix("\x1b"))
    assert len(said) < 250
    assert (said == "") == (how == "off")


@pytest.mark.parametrize(
    ("environment", "how"),
    [
        ({"TERM": "xterm-kitty"}, "osc9"),
        ({"TERM": "foot"}, "osc777"),
        ({"TERM": "xterm-256color"}, "bell"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "osc9"),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app"}, "bell"),
        ({"TERM": "foot", "TMUX": "/tmp/x"}, "bell"),
        ({"TERM": "linux"}, "bell"),
        ({"TERM": "linux", "CROWBAR_NOTIFY": "off"}, "off"),
        ({"TERM": "xterm-256color", "CROWBAR_NOTIFY": "osc777"}, "osc777"),
        ({"TERM": "foot", "CROWBAR_NOTIFY": "rubbish"}, "osc777"),
        ({}, "bell"),
    ],
)
def test_only_terminals_that_know_notifications_get_them(environment, how) -> None:
    assert way(environment) == how


# -- others -----------------------------------------------------------------------------------------------------------


def row(event: str, **fields) -> JournalRow:
    return JournalRow(seq=1, at=1.0, now=1.0, event=event, fields=fields, rows=[])


def test_a_toast_says_what_another_console_did_and_not_what_this_one_did() -> None:
    source, at = still("working")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    source.told = [{"seq": 9, "at": at, "type": "operate", "node": "n1", "text": "root: hold", "who": "root", "did": "held node-18"}]
    session.take(source.snapshot())
    assert "root held node-18" in shown(session)
    source.told = [
        {"seq": 10, "at": at, "type": "operate", "node": "n1", "text": "x", "who": "root", "did": "released node-18", "mine": True}
    ]
    session.take(source.snapshot())
    assert "released" not in shown(session)
    source.told = [{"seq": 11 + i, "at": at, "type": "operate", "text": "x", "who": "ada", "did": f"held node-{i}"} for i in range(3)]
    session.take(source.snapshot())
    assert "ada held node-2; 2 more, see 7" in shown(session)


def test_own_orders_are_known_once_each() -> None:
    own = company.Own()
    own.gave("Operate", "hold", "n1")
    own.gave("Commit")
    assert not own.has(row("Operate", verb="release", node="n1"))
    assert not own.has(row("Operate", verb="hold", node="n2"))
    assert own.has(row("Operate", verb="hold", node="n1", role="", who="root"))
    assert not own.has(row("Operate", verb="hold", node="n1")), "the second one is of another console of the same user"
    assert own.has(row("Commit", plan={}))
    assert not own.has(row("Tick"))


def test_who_comes_and_who_goes_is_told_and_who_is_there_stands_on_the_health_page() -> None:
    source, at = still("working")
    one = {"who": "ada", "where": "pts/3", "since": at - 60, "pid": 7}
    source.health = {"consoles": []}
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    source.health = {"consoles": [one]}
    session.take(source.snapshot())
    assert "ada (pts/3) opened a console" in shown(session)
    press(session, "8")
    assert re.search(r"other consoles +ada at pts/3 +since", shown(session))
    source.health = {"consoles": []}
    session.take(source.snapshot())
    assert "ada (pts/3) closed the console" in shown(session)
    assert "other consoles" not in shown(session)


def test_the_own_console_is_not_company() -> None:
    told = {"consoles": [{"who": "root", "where": "", "since": 1.0, "pid": 7}, {"who": "ada", "where": "tty1", "since": 2.0, "pid": 9}]}
    assert [one.who for one in company.consoles(told, 7)] == ["ada"]
    assert company.consoles({}, 7) == []


def test_a_refusal_keeps_its_words(monkeypatch) -> None:
    session, source, _ = opened("faulty")
    source.answer = lambda *_: Said(False, "no")
    session.refuse("nothing to do", "wait")
    assert "nothing to do: wait" in shown(session)
