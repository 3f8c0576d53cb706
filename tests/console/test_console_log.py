"""Logs on the screen: which is shown first, that it is followed, scrolled, and that another one is a key away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from driving import console, press, shot, still, until

from crowbar_tui.console.logs import Attempted, of_node, tail


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "logs").mkdir(parents=True)
    return tmp_path / "store"


def written(store: Path, attempt: str, text: str, at: float) -> Path:
    path = store / "logs" / f"{attempt}.log"
    path.write_text(text)
    os.utime(path, (at, at))
    return path


async def log_of(store: Path, world: str = "faulty", keys: str = "down down enter l"):
    source, at = still(world)
    source.where = store
    return console(source, at, keys=keys), source, at


async def test_the_log_of_what_failed_is_shown_first_and_followed(store: Path) -> None:
    async with (await log_of(store, keys="down down"))[0] as (app, pilot):
        node = app.session.page.subject().nodes[0]
        world = app.session.world
        failed = next(r for r in world.node_roles.values() if r.node == node and r.state.value == "error")
        other = next(r for r in world.node_roles.values() if r.node == node and r.state.value == "active" and r.attempt)
        assert failed.attempt
        path = written(store, f"{failed.attempt}.1", "raid: building vd0\nerror: disk sdb failed\n", app.session.wall() - 5)
        written(store, f"{other.attempt}.1", "another one\n", app.session.wall() - 3)
        await press(pilot, "l")
        await until(pilot, lambda: "error: disk sdb failed" in shot(app))
        text = shot(app)
        assert f"{failed.role}, attempt {failed.attempt}" in text.splitlines()[0]
        assert "1 of 2 logs" in text or "2 of 2 logs" in text
        assert "following" in text
        with path.open("a") as file:
            file.write("".join(f"line {i}\n" for i in range(100)))
        app.session.page.tick()
        await until(pilot, lambda: "line 99" in shot(app))
        await press(pilot, "g")
        assert "raid: building vd0" in shot(app)
        with path.open("a") as file:
            file.write("the last word\n")
        app.session.page.tick()
        await until(pilot, lambda: "of 103" in shot(app))
        assert "raid: building vd0" in shot(app), "who reads is not moved"
        await press(pilot, "G")
        assert "the last word" in shot(app)
        await press(pilot, "tab")
        await until(pilot, lambda: "another one" in shot(app))
        await press(pilot, "escape")
        assert app.session.page.name == "nodes"


async def test_where_nothing_was_written_it_says_so(store: Path) -> None:
    async with (await log_of(store))[0] as (app, pilot):
        await until(pilot, lambda: "no role of this node has written a log yet" in shot(app))


async def test_what_a_node_writes_cannot_draw_on_the_screen(store: Path) -> None:
    async with (await log_of(store, keys="down down"))[0] as (app, pilot):
        node = app.session.page.subject().nodes[0]
        failed = next(r for r in app.session.world.node_roles.values() if r.node == node and r.state.value == "error")
        written(store, f"{failed.attempt}.1", "\x1b[2J\x1b[31mred\x1b[0m\x07 bell \x9b5A\n50%\r100%\n" + "x" * 300 + "\n", 1.0)
        await press(pilot, "l")
        await until(pilot, lambda: "100%" in shot(app))
        text = shot(app)
        assert "50%" not in text
        assert "red" in text
        assert all(c == "\n" or c.isprintable() for c in text)
        assert all(len(line) <= 80 for line in text.splitlines())


def test_a_long_log_begins_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {i:06}\n" for i in range(20_000)))
    found = tail(path, 1000)
    assert found.cut
    assert found.lines[0].startswith("line 0199")
    assert found.lines[-1] == "line 019999"
    assert found.size == path.stat().st_size


def test_newest_attempts_come_first_and_other_files_are_not_theirs(store: Path) -> None:
    written(store, "i5-1.1", "a", 10.0)
    written(store, "i5-2.1", "b", 20.0)
    written(store, "i5-2.2", "c", 30.0)
    written(store, "i5-22.1", "d", 40.0)
    found = of_node(
        store, [Attempted("one", "i5-1", "active"), Attempted("two", "i5-2", "active"), Attempted("none", "", "todo")], [], "n1"
    )
    assert [f.label for f in found] == ["two, attempt i5-2 leg 2", "two, attempt i5-2", "one, attempt i5-1"]


def test_the_last_look_and_the_system_log_are_there_too(store: Path) -> None:
    written(store, "i5-1.1", "a", 10.0)
    written(store, "i5-1-w7.1", "b", 20.0)
    written(store, "i5-1-w8.1", "c", 30.0)
    written(store, "i5-11-w9.1", "d", 40.0)
    kept = store / "services/logging/nodes"
    kept.mkdir(parents=True)
    (kept / "n1.r1.test.log").write_text("e")
    found = of_node(store, [Attempted("one", "i5-1", "active")], [], "n1.r1.test")
    assert [f.label for f in found] == ["one, look at attempt i5-1", "one, attempt i5-1", "system log"]
    assert tail(found[0].path).lines == ("c",)


def test_a_serial_console_of_a_rehearsal_is_found(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.with_name("store.rack") / "machines" / "m2"
    folder.mkdir(parents=True)
    (folder / "serial-3.log").write_text("login:\n")

    class Rack:
        def machines(self) -> list[dict[str, str]]:
            return [{"name": "m1", "uuid": "u-1", "serial": "S1", "mac": "x"}, {"name": "m2", "uuid": "U-2", "serial": "S2", "mac": "y"}]

    monkeypatch.setattr("engine.api.control.connect", lambda _folder: Rack())
    found = of_node(store, [], ["u-2", "", "z"], "n1")
    assert [f.label for f in found] == ["serial console, start 3"]
    assert tail(found[0].path).lines == ("login:",)
    assert of_node(store, [], ["u-9"], "n1") == []


async def test_the_serial_console_is_a_key_away_and_each_start_has_its_own(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (await log_of(store, keys="down down"))[0] as (app, pilot):
        node = app.session.node(app.session.page.subject().nodes[0])
        assert node is not None
        failed = next(r for r in app.session.world.node_roles.values() if r.node == node.id and r.state.value == "error")
        written(store, f"{failed.attempt}.1", "error: of the role\n", 1.0)
        folder = store.with_name("store.rack") / "machines" / "m2"
        folder.mkdir(parents=True)
        (folder / "serial-1.log").write_text("\x1b[2J\x1b[01;01H67%\b\b\b\bthe first start\r\n")
        newest = folder / "serial-2.log"
        newest.write_text("the second start\r\n")

        class Rack:
            def machines(self) -> list[dict[str, str]]:
                return [{"name": "m2", "uuid": node.uuid, "serial": node.serial, "mac": "x"}]

        monkeypatch.setattr("engine.api.control.connect", lambda _folder: Rack())
        await press(pilot, "l")
        await until(pilot, lambda: "error: of the role" in shot(app))
        assert "s serial console" in shot(app)
        await press(pilot, "s")
        await until(pilot, lambda: "the second start" in shot(app))
        assert "serial console, start 2" in shot(app).splitlines()[0]
        with newest.open("a") as file:
            file.write("".join(f"[{i:5}.000000] line {i}\r\n" for i in range(50)))
        app.session.page.tick()
        await until(pilot, lambda: "line 49" in shot(app))
        await press(pilot, "s")
        await until(pilot, lambda: "the first start" in shot(app))
        assert "67%" not in shot(app)
        await press(pilot, "s")
        await until(pilot, lambda: "line 49" in shot(app))
