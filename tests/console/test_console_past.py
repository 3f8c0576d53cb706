"""Looking back: where each key goes, what the clock says there, that nothing is done to the past, and the way to it and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from driving import console, press, shot, until
from pasts import USUAL, past, real

from crowbar_tui.console import look_back
from crowbar_tui.console.formats import moment_of
from crowbar_tui.console.past import PastSource, Pruned
from crowbar_tui.console.playback import IDLE_S, SPEEDS, WHOLE_S, Playback
from crowbar_tui.console.source import Elsewhere
from engine.events import Happened, Operate
from engine.store.journal_file import JournalFile
from engine.store.store import Store


def play() -> Playback:
    found = past()._play
    assert found is not None
    return found


def at(p: Playback) -> tuple[int, float]:
    return p.seq, round(p.at(), 3)


# -- the moment -------------------------------------------------------------------------------------------------------


def test_it_begins_at_the_end() -> None:
    p = play()
    assert p.seq == p.past.last
    assert p.step(1) == "this is the end of the journal"
    assert p.problem(1) == "no problem began after this moment"
    assert p.minutes(1) == "this is the end of the journal"


def test_steps_visit_every_event_there_and_back() -> None:
    p = play()
    p.end(-1)
    seen = [p.seq]
    while not p.step(1):
        seen.append(p.seq)
        assert p.at() == p.past.at(p.seq)
    assert seen == list(range(p.past.last + 1))
    back = [p.seq]
    while not p.step(-1):
        back.append(p.seq)
    assert back == seen[::-1]
    assert p.step(-1) == "this is the beginning"


def test_a_minute_is_a_minute_and_its_event_the_last_before() -> None:
    p = play()
    p.end(-1)
    begun = p.past.now(0)
    for i in range(1, 12):
        assert p.minutes(1) == ""
        assert p.now == pytest.approx(begun + 60 * i)
        assert p.past.now(p.seq) <= p.now
        assert p.seq == p.past.last or p.past.now(p.seq + 1) > p.now
        assert p.at() == pytest.approx(p.past.at(0) + 60 * i)
    assert p.minutes(-11) == ""
    assert p.now == begun


def test_between_two_events_one_back_is_to_the_one_before() -> None:
    p = play()
    p.end(-1)
    p.minutes(1)
    seq = p.seq
    assert p.at() > p.past.at(seq)
    p.step(-1)
    assert at(p) == (seq, p.past.at(seq))
    p.step(-1)
    assert p.seq == seq - 1


def test_problems_and_changes_there_and_back() -> None:
    p = play()
    p.end(-1)
    seen = []
    while not p.problem(1):
        seen.append(p.seq)
    assert seen == [x.seq for x in p.past.problems]
    assert len(seen) > 1
    p.end(1)
    back = []
    while not p.problem(-1):
        back.append(p.seq)
    assert back == [seq for seq in seen[::-1] if seq != p.past.last]
    assert p.change("n3", "node-14", -1) == ""
    assert p.change("n99", "node-99", 1) == "node-99 did not change after this moment"


def test_a_wall_time() -> None:
    p = play()
    begins, ends = p.past.at(0), p.past.at(p.past.last)
    assert p.clock(begins + 100) == ""
    assert p.at() == pytest.approx(begins + 100)
    assert p.past.at(p.seq) <= begins + 100 < p.past.at(p.seq + 1)
    assert "does not cover that time" in p.clock(begins - 9)
    assert p.seq == 0
    assert "does not cover that time" in p.clock(ends + 9)
    assert p.seq == p.past.last


# -- playing ----------------------------------------------------------------------------------------------------------


def test_playing_from_the_end_begins_at_the_beginning() -> None:
    p = play()
    p.play()
    assert (p.playing, p.seq) == (True, 0)
    p.play()
    assert not p.playing
    p.play()
    assert (p.playing, p.seq) == (True, 0)


@pytest.mark.parametrize("pace", range(len(SPEEDS)))
def test_playing_passes_every_event_in_order_and_stops_at_the_end(pace: int) -> None:
    p = play()
    p.faster(pace)
    p.play()
    seqs, seconds, longest, still = [], 0.0, 0.0, 0.0
    while p.playing:
        assert 0 < p.due() <= 0.2
        p.pass_(0.1)
        seconds += 0.1
        still = still + 0.1 if seqs and seqs[-1] == p.seq else 0.0
        longest = max(longest, still)
        seqs.append(p.seq)
        assert seconds < 1000
    assert seqs == sorted(seqs)
    assert seqs[-1] == p.past.last
    assert longest <= IDLE_S + 0.2  # no silence is waited through
    if not p.speed:
        assert seconds <= WHOLE_S + 1
    elif pace == 0:
        assert {x.seq for x in p.past.problems} & set(seqs)


def test_at_ten_times_ten_seconds_are_one() -> None:
    p = play()
    p.faster(1)
    p.end(-1)
    p.play()
    before = p.now
    p.pass_(0.5)
    assert p.now >= before + 5
    assert p.word == "x10"
    p.faster(9)
    assert p.word == "max"
    p.faster(-9)
    assert p.word == "x1"


# -- times that are typed ---------------------------------------------------------------------------------------------

DAY = 1_700_000_000.0 // 86_400 * 86_400


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("14:05", DAY + 14 * 3600 + 300),
        ("14:05:30", DAY + 14 * 3600 + 330),
        (" 9:00 ", DAY + 9 * 3600),
        ("23:59", DAY - 60),
        ("-5m", DAY + 36_000 - 300),
        ("+90s", DAY + 36_090),
        ("-2h", DAY + 28_800),
        ("+1", DAY + 36_060),
        ("-1d", DAY - 50_400),
        ("2023-11-14 14:05", DAY + 14 * 3600 + 300),
        ("2023-11-14T14:05:07", DAY + 14 * 3600 + 307),
        ("2023-11-14", DAY),
        ("25:00", None),
        ("12:60", None),
        ("soon", None),
        ("", None),
        ("2023-13-01", None),
    ],
)
def test_a_time_as_it_is_typed(text: str, found: float | None) -> None:
    """At ten o'clock, in a run from ten in the evening before to three in the afternoon."""
    assert moment_of(text, DAY + 36_000, DAY - 7200, DAY + 15 * 3600) == found


# -- the source -------------------------------------------------------------------------------------------------------


def test_what_is_told_is_what_lies_before_the_moment() -> None:
    source = past()
    whole = source.snapshot()
    assert [t["seq"] for t in whole.told] == list(range(1, whole.seq + 1))
    assert whole.anew
    assert whole.touched is None
    source.do(lambda p: p.step(-1))
    back = source.snapshot()
    assert (back.anew, back.seq, len(back.told)) == (True, whole.seq - 1, whole.seq - 1)
    assert back.touched
    source.do(lambda p: p.step(1))
    on = source.snapshot()
    assert (on.anew, [t["seq"] for t in on.told]) == (False, [whole.seq])
    assert on.told[0] == whole.told[-1]
    assert source.snapshot().told == ()


def test_a_word_is_the_same_however_one_comes_to_it() -> None:
    source = past()
    there = {t["seq"]: t for t in source.snapshot().told}
    other = past()
    other.do(lambda p: p.end(-1))
    other.snapshot()
    while True:
        other.do(lambda p: p.step(1))
        snapshot = other.snapshot()
        if not snapshot.told:
            break
        assert there[snapshot.seq] == snapshot.told[-1]
    assert other.snapshot().seq == max(there)


def test_nothing_is_done_to_the_past() -> None:
    source = past()
    for said in (source.ask("retry", "n1", "", None), source.commit("crowbar: 1", "x.yml"), source.stop_engine()):
        assert (said.ok, said.text) == (False, "you cannot change the past")


def test_what_was_pruned_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = past()
    source.snapshot()

    def lost(*_):
        raise Pruned("the journal begins at 7 now")

    with monkeypatch.context() as broken:
        broken.setattr(Playback, "step", lost)
        source.do(lambda p: p.step(-1))
        snapshot = source.snapshot()
    assert snapshot.said is not None
    assert snapshot.said.text == "the engine has deleted older events meanwhile: the journal begins at 7 now"
    assert snapshot.moment is not None


# -- keys -------------------------------------------------------------------------------------------------------------


def row(app) -> int:
    return app.session.snapshot.seq


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ("less_than_sign", lambda p: p.last - 1),
        ("less_than_sign less_than_sign greater_than_sign", lambda p: p.last - 1),
        ("left_parenthesis", lambda p: p.by_now(p.now(p.last) - 60)),
        ("left_parenthesis left_parenthesis right_parenthesis", lambda p: p.by_now(p.now(p.last) - 60)),
        ("left_square_bracket", lambda p: p.problem_before(p.last).seq),
        ("0 right_square_bracket", lambda p: p.problems[0].seq),
        ("0 right_square_bracket right_square_bracket", lambda p: p.problems[1].seq),
        ("down down left_curly_bracket", lambda p: p.change_before("n4", p.last)),
        ("down down left_curly_bracket less_than_sign right_curly_bracket", lambda p: p.change_before("n4", p.last)),
        ("0", lambda p: 0),
        ("0 9", lambda p: p.last),
        ("T minus 2 m enter", lambda p: p.by_now(p.now(p.last) - 120)),
        ("colon p r e v i o u s space p r o b enter", lambda p: p.problem_before(p.last).seq),
        ("colon o n e space e v e n t space b enter", lambda p: p.last - 1),
    ],
)
async def test_a_key_moves_the_moment(keys: str, where) -> None:
    source = past()
    seq = where(source._past)
    async with console(source, real(source), keys=keys) as (app, pilot):
        await until(pilot, lambda: row(app) == seq)
        await press(pilot, "")
        assert f" {seq} of {source._past.last} " in shot(app)
        world = source._past.world(seq)
        assert app.session.world.nodes == world.nodes
        assert app.session.wall() == pytest.approx(source._play.at())


async def test_space_plays_and_pauses_and_speeds_are_told() -> None:
    source = past()
    async with console(source, real(source), keys="0 plus plus plus plus space") as (app, pilot):
        await until(pilot, lambda: app.session.snapshot.moment.playing)
        await until(pilot, lambda: "►max" in shot(app) and 0 < row(app) < source._past.last)
        await press(pilot, "space")
        await until(pilot, lambda: not app.session.snapshot.moment.playing)
        seq = row(app)
        assert "paused" in shot(app)
        await press(pilot, "minus equals_sign minus")
        await until(pilot, lambda: app.session.snapshot.moment.speed == "x100")
        assert row(app) == seq
        await press(pilot, "plus 9 less_than_sign space")
        await until(pilot, lambda: row(app) == source._past.last and not app.session.snapshot.moment.playing)


@pytest.mark.parametrize(
    "keys", ["r", "a", "h", "i", "v", "e", "I", "X", "t", "M", "O", "Z", "b", "D", "p", "full_stop", "Q", "5 c", "enter down r", "4 x"]
)
async def test_doing_is_refused_with_a_sentence(keys: str) -> None:
    source = past()
    async with console(source, real(source), keys=keys) as (app, pilot):
        await press(pilot, "")
        assert app.session.overlay is None
        assert "this is a look back: you cannot change the past; q leaves" in shot(app)
        assert app.session.notes[-1].advice == "q leaves"
        assert app.session.waiting == 0


async def test_ends_are_told() -> None:
    source = past()
    async with console(source, real(source), keys="greater_than_sign") as (app, pilot):
        await until(pilot, lambda: "this is the end of the journal" in shot(app))
        await press(pilot, "0 less_than_sign")
        await until(pilot, lambda: "this is the beginning" in shot(app))
        await press(pilot, "T s o o n enter")
        await until(pilot, lambda: "'soon' is not a time" in shot(app))
        await press(pilot, "3 right_curly_bracket B")
        assert app.session is app.present
        assert "this is only a look back, without the present" in shot(app)


async def test_help_names_the_keys() -> None:
    source = past()
    async with console(source, real(source), (80, 48), keys="question_mark") as (app, _):
        text = shot(app)
    for key, what in look_back.KEYS[1:]:
        assert f"{key:<14}{what}" in text
    assert "retry" not in text.replace("press r to retry", "")


# -- to the past and back ---------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The recorded run as a store, without an engine."""
    from pasts import GOLDEN

    with JournalFile(GOLDEN) as file, Store.open(tmp_path / "store") as opened:
        for r in file.journal(0, 10_000):
            opened.commit([(Happened(r.at, r.now, Operate(who="op", verb="note", node="")), r.changes())])
    return tmp_path / "store"


async def test_one_key_looks_back_and_the_same_returns(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crowbar_tui.console.past.site_catalog", lambda _store: USUAL)
    source = Elsewhere(store, USUAL)
    now = source.snapshot().world
    async with console(source, 99_999.0, keys="4 down down B") as (app, pilot):
        await until(pilot, lambda: app.session is not app.present)
        assert app.session.page.name == "roles"
        assert app.session.world.nodes == now.nodes
        assert app.session.page.subject() == app.present.page.subject()
        await press(pilot, "1 left_square_bracket")
        await until(pilot, lambda: row(app) < app.present.snapshot.seq)
        assert " now 4 ready, 2 problems ─" in shot(app)
        await press(pilot, "r")
        assert "you cannot change the past; B returns to now" in shot(app)
        with Store.open(store) as engine:
            engine.commit([(Happened(99_990.0, 99_000.0, Operate(who="op", verb="retry", node="n1")), [])])
        await until(pilot, lambda: app.present.snapshot.seq == now_last(store))
        await until(pilot, lambda: app.session.snapshot.moment.last == now_last(store))
        behind = app.session.past
        await press(pilot, "B")
        assert app.session is app.present
        assert "look back" not in shot(app)
        assert app.session.page.name == "roles"
        await until(pilot, lambda: behind.over)
        await press(pilot, "B")
        await until(pilot, lambda: app.session is not app.present)
        await press(pilot, "q")


def now_last(store: Path) -> int:
    with Store.read(store) as reader:
        return reader.last_seq()


async def test_a_journal_that_cannot_be_read_is_told_and_the_present_stays(store: Path) -> None:
    source = Elsewhere(store, USUAL)
    async with console(source, 99_999.0) as (app, pilot):
        shutil.copy(store / "store.db", store / "kept")
        app.open_past = lambda: (_ for _ in ()).throw(OSError("the disk is gone"))
        await press(pilot, "B")
        await until(pilot, lambda: "the disk is gone" in shot(app))
        assert app.session is app.present


async def test_a_pruned_journal_says_where_it_begins(store: Path) -> None:
    with Store.open(store) as engine:
        engine.prune(50)
    source = past(Store.read(store))
    async with console(source, real(source), keys="0") as (app, pilot):
        gone = source._past.first
        await until(pilot, lambda: row(app) == gone)
        assert "ago: the oldest kept event" in shot(app)
        await press(pilot, "less_than_sign")
        await until(pilot, lambda: f"the journal begins here: {gone} older events are no longer kept" in shot(app))


def test_a_file_is_told_by_the_barclamps_that_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from pasts import GOLDEN

    from crowbar_tui.console.past import of_file

    def opened() -> PastSource:
        source = of_file(GOLDEN)
        while not source.read():
            pass
        assert not source.growing
        snapshot = source.snapshot()
        source.end()
        return snapshot

    assert opened().said is None
    assert opened().world == past().snapshot().world
    check = JournalFile._check

    def other(self: JournalFile) -> None:
        check(self)
        self.catalog = None

    monkeypatch.setattr(JournalFile, "_check", other)
    said = opened().said
    assert said is not None
    assert "with other barclamps" in said.text
