"""Which Crowbars `crowbar` finds: those that run, and those that can go on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from crowbar_tui.console import back
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.racks import create
from engine.racks.simulated.spec import SimulatedRackSpec
from engine.rehearsal import known
from engine.rehearsal.known import STOPPED, Crowbar, find, opened, remember, remembered
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.file import FILE
from engine.wire.reach import Reach

PLAN = """\
crowbar: 1
site: {name: r07, domain: r07.test, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.99, host: 192.168.124.100-192.168.124.199}}}
"""


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(known, "SERVICE_STORE", tmp_path / "service")


def engine_on(store: Path) -> Engine:
    from fake_admin import free_lane

    return Engine(Config(store=store, keys=store.with_name(store.name + ".keys"), reach=Reach(free_lane()), synthetic=True))


def planned(store: Path, rack: int = 0) -> Path:
    """A store with a plan and without an engine; `rack`: machines of a virtual rack beside it."""
    engine = engine_on(store)
    engine.start()
    engine.commit(read(PLAN, "plan.yml", shipped()), "test")
    engine.stop()
    if rack:
        create(store.with_name(store.name + ".rack"), SimulatedRackSpec(nodes=rack, lane=9))
    return store


def test_nothing_is_found_on_a_new_machine(tmp_path: Path) -> None:
    assert find(tmp_path / "usual") == []
    (tmp_path / "usual").mkdir()
    assert find(tmp_path / "usual") == []


def test_what_runs_and_what_can_go_on_is_found(tmp_path: Path) -> None:
    usual, rehearsal, stopped, killed = (tmp_path / name for name in ("usual", "rehearsal", "stopped", "killed"))
    planned(rehearsal, rack=6)
    remember(rehearsal)
    assert find(usual) == [Crowbar(store=rehearsal, runs=False, machines=6, kind="simulated", site="r07")]
    with opened(planned(stopped, rack=2)):
        pass
    assert [one.store for one in find(usual)] == [rehearsal], "that one was stopped by a person"
    remember(planned(killed))
    running = engine_on(usual)
    running.start()
    try:
        assert {one.store: one.runs for one in find(usual)} == {usual: True, rehearsal: False, killed: False}
        assert find(usual)[0].store == usual, "the usual one comes first"
    finally:
        running.stop()
    assert {one.store for one in find(usual)} == {rehearsal, killed}, "without a plan there is nothing to go on with"
    assert [one.store for one in find(stopped)][0] == stopped, "the usual store with its plan is meant even if it was stopped"


def test_one_store_under_two_names_is_one(tmp_path: Path) -> None:
    store = planned(tmp_path / "store")
    remember(store)
    (tmp_path / "link").symlink_to(store)
    remember(tmp_path / "link")
    assert len(find(tmp_path / "usual")) == 1
    assert len(find(store)) == 1


def test_an_engine_that_is_opened_again_is_not_stopped_any_more(tmp_path: Path) -> None:
    store = planned(tmp_path / "store")
    with opened(store):
        pass
    assert (store / STOPPED).exists()
    with contextlib.suppress(RuntimeError), opened(store):
        assert not (store / STOPPED).exists()
        raise RuntimeError
    assert not (store / STOPPED).exists(), "it was no person who stopped it"


def test_entries_of_strangers_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    store = planned(tmp_path / "store")
    remember(store)
    entries = tmp_path / "state" / "crowbar" / "stores"
    (entries / "long").write_bytes(b"/" + b"x" * 5000)
    (entries / "relative").write_text("store")
    (entries / "octets").write_bytes(b"/\xff\xfe\n")
    (entries / "nul").write_bytes(b"/a\x00b")
    (entries / "folder").mkdir()
    (entries / "gone").write_text(str(tmp_path / "gone"))
    (entries / "link").symlink_to(entries / "gone")
    assert remembered() == [store]
    assert not (entries / "gone").exists()
    if os.geteuid() == 0:
        other = planned(tmp_path / "other")
        remember(other)
        for entry in entries.iterdir():
            if entry.is_file() and entry.read_bytes() == os.fsencode(other):
                os.chown(entry, 65534, 65534)
        assert remembered() == [store], "another user wrote it"


def test_a_damaged_store_is_no_way_back(tmp_path: Path) -> None:
    store = planned(tmp_path / "store", rack=1)
    remember(store)
    (store / FILE).write_bytes(b"nonsense" * 1000)
    assert find(tmp_path / "usual") == []
    (store.with_name("store.rack") / "rack.yml").write_text("nodes: [")
    assert find(tmp_path / "usual") == []


def test_a_user_without_a_home_has_no_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("a file")
    remember(tmp_path / "store")
    assert remembered() == []
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    remember(planned(tmp_path / "store"))
    assert remembered() == [tmp_path / "store"]


FOUND = [
    Crowbar(store=Path("/s/one"), runs=True, machines=6, kind="simulated", site="rehearsal"),
    Crowbar(store=Path("/s/two"), runs=False, site="r07"),
]


def chosen(*said: str, usual: str = "/s/usual") -> tuple[Path | None, list[str]]:
    answers = list(said)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        if not answers:
            raise EOFError
        return answers.pop(0)

    return back.choose(FOUND, Path(usual), ask), asked


def test_the_user_chooses_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen("2")[0] == Path("/s/two")
    out = capsys.readouterr().out
    assert "rehearsal of 6 simulated machines: runs\n     /s/one" in out
    assert "site r07: does not run; opening it starts its engine\n     /s/two" in out
    assert all(len(one) <= 80 for one in out.splitlines())
    assert chosen("0", "9", "x", "", "²", "1")[0] == Path("/s/one")
    assert "expected a number from 1 to 2, n or q" in capsys.readouterr().out
    assert chosen("n")[0] == Path("/s/usual")
    assert chosen("n", "q", usual="/s/two")[0] is None, "the usual store is in the list"
    assert chosen()[0] is None
    assert len(chosen("n", usual="/s/one")[1]) == 2
