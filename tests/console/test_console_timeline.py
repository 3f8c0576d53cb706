"""The timeline in the console: looking back in all sizes, live beside an engine that writes, and with a journal that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import pasts
import pytest
from driving import still
from hypothesis import given
from hypothesis import strategies as st
from runs_of_cores import record_faulty
from worlds import USUAL

from crowbar_tui.console import chart_feed, glyphs
from crowbar_tui.console.frame import draw
from crowbar_tui.console.pages.timeline import TimelineScreen
from crowbar_tui.console.past import PastSource, of_store
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.storm import Storm
from crowbar_tui.console.styled import plain, width
from engine.api.views import Store


def shown(session: Session, columns: int = 80, rows: int = 24) -> str:
    lines = draw(session, columns, rows)
    assert len(lines) == rows
    assert {width(one) for one in lines} == {columns}
    return "\n".join(plain(one).rstrip() for one in lines) + "\n"


def looking_back(monkeypatch: pytest.MonkeyPatch, source: PastSource | None = None) -> tuple[Session, PastSource]:
    monkeypatch.setattr(chart_feed, "open_journal", lambda _where: pasts.rows())
    monkeypatch.setattr(chart_feed, "PACE_S", 0.0)
    source = source or pasts.past()
    session = new_session(source.snapshot(), wall=lambda: session.snapshot.at, where=source.where)
    session.past, session.real = source, lambda: session.wall() + pasts.LATER
    session.press("L")
    shown(session)
    return session, source


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48), (200, 60)])
def test_the_bring_up_as_a_picture(golden, monkeypatch, size) -> None:
    session, _ = looking_back(monkeypatch)
    golden(f"timeline-{size[0]}x{size[1]}", shown(session, *size))


def test_the_lower_part_shows_the_machine_under_the_cursor(golden, monkeypatch) -> None:
    session, _ = looking_back(monkeypatch)
    for key in ("j", "j", "o"):
        session.press(key)
    golden("timeline-machine", shown(session))
    session.press("o")
    assert "boots" in shown(session)  # the signs are explained as long as there is room
    assert "dhcp" not in shown(session)


def test_z_shows_less_of_the_past_and_at_last_all_again(monkeypatch) -> None:
    session, _ = looking_back(monkeypatch)
    whole = shown(session)
    session.press("z")
    assert "last 5m" in shown(session)
    assert "D" not in re.findall(r"node-14 +(.*)", shown(session))[0]
    session.press("z")
    assert shown(session) == whole


def test_the_right_edge_is_the_moment(monkeypatch) -> None:
    """Everything that the picture shows has happened at the moment."""
    session, source = looking_back(monkeypatch)
    ends = []
    for seq in (20, 60, 90, 122):
        source.do(lambda play, seq=seq: play.to(seq))
        session.take(source.snapshot())
        text = shown(session)
        page = session.page
        assert isinstance(page, TimelineScreen)
        view = page.view()
        assert view is not None
        now = page.now(view)
        assert now == session.snapshot.moment.now
        assert all(life.segments[-1].ends == now for life in page.lives(view).values() if life.segments)
        assert all(mark.at <= now for life in page.lives(view).values() for mark in life.marks)
        ends.append("!" in "".join(re.findall(r"node-14 +(.*)", text)))
    assert ends == [False, False, False, True] or ends == [False, False, True, True]


def test_machines_that_are_no_nodes_yet_have_a_line(monkeypatch) -> None:
    session, source = looking_back(monkeypatch)
    source.do(lambda play: play.to(12))
    session.take(source.snapshot())
    text = shown(session)
    assert re.search(r"54:00:00:00:06 +D░", text) or re.search(r"00:00:00:06 +D░", text)


def test_roles_that_wait_are_connected_on_request(monkeypatch) -> None:
    from engine.views.timeline_waits import WaitsFor

    session, _ = looking_back(monkeypatch)
    rows = session.listed()
    monkeypatch.setattr(
        TimelineScreen, "_waits", lambda self, node: [WaitsFor(node, "nova", rows[3].id, "mysql")] if node == rows[0].id else []
    )
    assert "◄" not in shown(session)
    session.press("c")
    text = shown(session)
    assert "◄┐" in text
    assert text.index("◄┐") < text.index("─┘")
    session.press("o")
    assert "nova waits for mysql on" in shown(session)
    session.press("c")
    assert "◄" not in shown(session)


def test_a_journal_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    source, at = still("working")
    source.where = tmp_path / "nothing"
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)

    def work(job, done) -> None:
        try:
            value = job()
        except Exception as error:  # what the app gives to `done`
            value = error
        done(value)

    session.work = work
    session.press("L")
    shown(session)
    text = shown(session)
    assert "reading the journal" not in text
    assert "there is no store in" in text
    assert "node-10" in text


def test_the_picture_grows_with_the_journal_and_reads_each_row_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(chart_feed, "PACE_S", 0.0)
    read: list[tuple[int, int]] = []

    class Counted:
        def __init__(self, store: Store) -> None:
            self.store = store

        def journal(self, after: int, limit: int):
            rows = self.store.journal(after, limit)
            read.append((after, len(rows)))
            return rows

        def base(self):
            return self.store.base()

        def close(self) -> None:
            self.store.close()

    monkeypatch.setattr(chart_feed, "open_journal", lambda where: Counted(Store.read(where)))
    rows, last = record_faulty(), 0
    with Store.open(tmp_path) as store:
        feed = chart_feed.ChartFeed(tmp_path)
        for part in (rows[:40], rows[40:90], rows[90:]):
            last = store.commit(part)
            feed.ask(last, lambda job, done: done(job()))
            assert feed.view is not None
            assert feed.view.seq == last
        total = len(read)
        feed.ask(last, lambda job, done: done(job()))
        assert len(read) == total, "nothing new: it reads nothing"
        assert sum(many for _, many in read) < last + 2
        while store.prune(10):
            pass
        store.commit(rows[:1])
        feed.ask(last + 1, lambda job, done: done(job()))
        assert feed.view.seq == last + 1
        again = chart_feed.ChartFeed(tmp_path)
        again.ask(last + 1, lambda job, done: done(job()))
        assert again.view is not None
        assert again.view.begins > 0
        assert again.view.seq == last + 1


def test_a_pruned_journal_begins_again(tmp_path: Path, monkeypatch) -> None:
    """The rows after the last one that was read are gone: the picture begins where the journal does."""
    monkeypatch.setattr(chart_feed, "PACE_S", 0.0)
    rows = record_faulty()
    with Store.open(tmp_path) as store:
        feed = chart_feed.ChartFeed(tmp_path)
        store.commit(rows[:30])
        feed.ask(store.seq, lambda job, done: done(job()))
        store.commit(rows[30:])
        while store.prune(10):
            pass
        feed.ask(store.seq, lambda job, done: done(job()))
        assert feed.view is not None
        assert feed.view.seq == store.seq
        lives = {life.id: life for life in feed.view.lives(feed.view.now)}
        assert any(life.older for life in lives.values())
    source = of_store(tmp_path)
    while not source.read():
        pass
    session = new_session(source.snapshot(), wall=lambda: session.snapshot.at, where=tmp_path)
    session.past, session.real = source, session.wall
    session.press("L")
    shown(session)
    assert "node-14" in shown(session)
    source.end()


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 500), st.integers(0, 10**9), st.booleans()), max_size=40),
)
def test_rates_are_never_negative_and_a_new_engine_begins_from_zero(samples) -> None:
    storm = Storm()
    at, dhcp, octets = 1000.0, 0, 0
    for seconds, more, grown, anew in samples:
        at += seconds
        dhcp, octets = (0, 0) if anew else (dhcp + more, octets + grown)
        storm.take({"dhcp": dhcp, "tftp": 1, "http": dhcp, "octets": octets}, at)
    assert all(min(one[1:]) >= 0 for one in storm.samples)
    assert sum(one.dhcp for one in storm.samples) <= 500 * max(len(samples), 1) / 0.9


def test_the_storm_of_this_second_stands_at_the_right_edge(monkeypatch) -> None:
    monkeypatch.setattr(chart_feed, "open_journal", lambda _where: pasts.rows())
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: source.at, where=source.where)
    session.press("L")
    for second in range(4):
        source.at = at + second
        source.health = {"traffic": {"dhcp": 10 * second, "tftp": 2 * second, "http": 300 * second, "octets": 21_000_000 * second}}
        session.take(source.snapshot())
        shown(session)
    text = shown(session)
    assert re.search(r"dhcp.* 10/s", text)
    assert re.search(r"http.*300/s", text)
    assert re.search(r"bytes.*21M/s", text)


def test_every_sign_of_the_picture_is_in_the_code_page_of_a_console(monkeypatch) -> None:
    session, _ = looking_back(monkeypatch)
    session.press("c")
    for size in ((80, 24), (200, 60)):
        assert all(letter.isascii() or letter in glyphs.ALL for letter in shown(session, *size))


def test_the_catalogue_of_the_pictures_is_the_one_of_the_worlds() -> None:
    assert USUAL is pasts.USUAL
