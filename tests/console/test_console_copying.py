"""What leaves the console: a line or a field to the clipboard, a screen to a file, a log to a pager."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from driving import console, drawn, press, shot, still, until
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.console import clipboard, files, pager, sheet
from crowbar_tui.console.files import Refused, complete, save
from crowbar_tui.console.screens import new_session

# -- the clipboard ----------------------------------------------------------------------------------------------------


def copied(written: list[str]) -> str:
    found = re.fullmatch("\x1b\\]52;c;([A-Za-z0-9+/=]*)\x07", written[-1])
    assert found is not None
    return base64.b64decode(found[1]).decode()


async def keys_and_copy(keys: str, world: str = "faulty", **variables: str) -> tuple[str, list[str]]:
    source, at = still(world)
    written: list[str] = []
    async with console(source, at) as (app, pilot):
        app.session.terminal.write = written.append
        await press(pilot, keys)
        return shot(app), written


async def test_a_field_and_a_line_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-kitty")
    text, written = await keys_and_copy("down down down Y 5")
    assert copied(written) == "SN0004"
    assert "copied serial: SN0004 ─" in text
    _, written = await keys_and_copy("down down down Y Y")
    assert copied(written).startswith("node-16  ")
    assert "52:54:00:00:00:04" in copied(written), "nothing is cut"


@pytest.mark.parametrize(
    "keys", ["2 Y 1", "3 Y 1", "4 Y 1", "6 Y 1", "7 Y 1", "exclamation_mark Y 1", "L Y 1", "enter Y 1", "5 Y", "w Y", "8 Y"]
)
async def test_something_can_be_copied_from_every_screen(keys: str) -> None:
    _, written = await keys_and_copy(keys)
    assert copied(written).strip()


async def test_it_says_when_the_terminal_may_not_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/x,1,0")
    text, written = await keys_and_copy("Y 1")
    assert "set-clipboard on" in " ".join(text.split())
    assert written
    monkeypatch.delenv("TMUX")
    monkeypatch.setenv("TERM", "linux")
    text, written = await keys_and_copy("Y")
    assert "this terminal has no clipboard" in text
    assert "ctrl+s" in text
    assert not written


def test_a_text_has_a_bound_and_cannot_end_the_sequence() -> None:
    environment = {"TERM": "xterm-kitty"}
    assert not clipboard.refusal("x" * clipboard.MOST, environment)
    assert "too much" in clipboard.refusal("x" * (clipboard.MOST + 1), environment)
    assert "too much" in clipboard.refusal("é" * clipboard.MOST, environment)
    assert copied([clipboard.sequence("a\x07\x1b]0;evil\x07\nb")]) == "a??]0;evil?\nb"


@given(st.text())
def test_whatever_is_copied_is_one_sequence(text: str) -> None:
    copied([clipboard.sequence(text)])


# -- files ------------------------------------------------------------------------------------------------------------


async def test_a_table_is_saved_as_csv_and_as_text_and_nothing_is_overwritten_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, at = still("faulty")
    async with console(source, at, keys="slash 1 4 enter ctrl+s n o full_stop c s v enter") as (app, pilot):
        await until(pilot, lambda: "saved 1 line of nodes to" in shot(app))
        rows = list(csv.DictReader(io.StringIO((tmp_path / "no.csv").read_text())))
        assert [(row["node"], row["serial"], row["unit"]) for row in rows] == [("node-14", "SN0003", "14")], "as the filter shows"
        assert "exit code 3: broken" in rows[0]["why"], "whole"
        await press(pilot, "escape ctrl+s n o full_stop c s v enter")
        await until(pilot, lambda: app.session.overlay is not None and "overwrite" in shot(app))
        assert str(tmp_path / "no.csv") in re.sub(r"[\s│]", "", shot(app)), "a long path takes two lines"
        await press(pilot, "enter")
        assert len((tmp_path / "no.csv").read_text().splitlines()) == 2, "enter is no"
        await press(pilot, "ctrl+s n o full_stop c s v enter")
        await until(pilot, lambda: app.session.overlay is not None and "overwrite" in shot(app))
        await press(pilot, "y")
        await until(pilot, lambda: len((tmp_path / "no.csv").read_text().splitlines()) == 7)
        await press(pilot, "colon s a v e space n o full_stop t x t enter")
        await until(pilot, lambda: (tmp_path / "no.txt").exists())
    lines = (tmp_path / "no.txt").read_text().splitlines()
    assert lines[0].split()[:4] == ["node", "state", "rack", "unit"]
    assert lines[3].split()[:5] == ["node-14", "hardware", "problem", "r1", "14"]


TABLES = {"1": 7, "2": 7, "3": 13, "4": 8, "4 tab": 2, "6": 10, "7": 2, "!": 2, "L": 7, "enter": 5, "A": 5, "5 v": 2}


@pytest.mark.parametrize("keys", TABLES)
def test_every_list_is_a_table(keys: str) -> None:
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.source = source
    for key in keys.split():
        session.press(key)
    text, told = sheet.of(session.page, "x.csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1, "rectangular"
    assert len(rows) >= TABLES[keys]
    assert all(row[0] for row in rows)
    assert told.startswith(f"{len(rows) - 1} line")
    assert "~" not in text, "nothing is cut"
    assert len(sheet.of(session.page, "x.txt")[0].splitlines()) == len(rows)


def test_text_is_no_csv() -> None:
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.press("8")
    with pytest.raises(ValueError, match="health is text and no table"):
        sheet.of(session.page, "x.csv")
    assert sheet.of(session.page, "x")[0].count("\n") > 5


@pytest.mark.parametrize("keys", ["5 tab down down", "8 down", "enter w"])
def test_a_screen_of_text_stays_where_it_was(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-kitty")
    source, at = still("faulty")
    before, after = (drawn(source, at, (80, 16), text) for text in (keys, f"{keys} Y"))
    assert before.splitlines()[2:-3] == after.splitlines()[2:-3]
    assert before != after, "it says that it copied"


def test_a_cell_of_a_machine_is_no_formula_and_no_control() -> None:
    class Page:
        name = "x"

        def table(self) -> list[list[str]]:
            return [["a", "b"], ["=1+1", "x\x1b[2J\ny"]]

    page: Any = Page()
    assert list(csv.reader(io.StringIO(sheet.of(page, "x.csv")[0]))) == [["a", "b"], ["'=1+1", "x?[2J?y"]]
    assert "\x1b" not in sheet.of(page, "x.txt")[0]


@pytest.mark.parametrize("where", ["folder", "missing/x", "pipe", "/dev/full", "closed/x", "a\0b"])
def test_where_nothing_can_be_written_it_says_so(where: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed").mkdir(mode=0o500)
    os.mkfifo(tmp_path / "pipe")
    if where == "closed/x" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with pytest.raises(Refused):
        save(str(tmp_path / where) if not where.startswith("/") else where, "text")


def test_a_full_disk_leaves_no_half_file_and_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(files.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Refused, match="no space left"):
        save(str(path), "new", over=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_link_stays_one_and_rights_stay(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(FileExistsError):
        save(str(tmp_path / "link"), "new")
    save(str(tmp_path / "link"), "new", over=True)
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_tab_completes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "plans").mkdir()
    for name in ("rack-1.yml", "rack-2.yml", ".hidden", "evil\x1bname"):
        (tmp_path / name).touch()
    assert complete("ra") == ("rack-", ["rack-1.yml", "rack-2.yml"])
    assert complete("rack-2") == ("rack-2.yml", ["rack-2.yml"])
    assert complete("pl") == ("plans/", ["plans/"])
    assert complete("~/ra")[0] == "~/rack-"
    assert complete(f"{tmp_path}/rack-1")[0] == f"{tmp_path}/rack-1.yml"
    assert complete("zzz") == ("zzz", [])
    assert complete("missing/zzz") == ("missing/zzz", [])
    assert complete(".h")[0] == ".hidden"
    assert complete("")[1] == ["plans/", "rack-1.yml", "rack-2.yml"]
    assert complete("ev") == ("ev", []), "a name that cannot be shown is not offered"
    assert complete("a\0") == ("a\0", [])


def test_a_large_folder_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LISTED", 10)
    monkeypatch.setattr(files, "SHOWN", 5)
    for i in range(30):
        (tmp_path / f"f{i}").touch()
    assert len(complete(f"{tmp_path}/f")[1]) == 5


def test_tab_completes_in_questions_and_commands_that_take_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rack-1.yml").write_text("site: {}")
    (tmp_path / "rack-2.yml").touch()
    source, at = still("working")
    question = drawn(source, at, (80, 24), "5 c r a tab")
    assert "> rack-" in question
    assert "rack-1.yml  rack-2.yml" in question
    assert "rack-1.yml" in drawn(source, at, (80, 24), "5 c r a tab 1 tab")
    assert ": commit rack-" in drawn(source, at, (80, 24), ": c o m m i t space r tab")
    assert ": save rack-2.yml" in drawn(source, at, (80, 24), ": s a v e space r tab 2 tab")
    assert "no file or folder begins like this" in drawn(source, at, (80, 24), "5 c z z tab")


def test_a_captive_console_opens_no_file_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, at = still("working")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.source = source
    session.manner.captive = True
    session.terminal.suspend = lambda: pytest.fail("it suspends")
    session.terminal.pager = lambda *_: pytest.fail("it opens a pager")
    for keys in ("ctrl+z", "ctrl+s", ": s a v e enter", ": s a v e space x enter", ": c o m m i t space x enter", "5 c", "1 enter l o"):
        session.notes.clear()
        for key in keys.split():
            session.press(key)
        if keys[-1] != "o" or session.notes:
            assert "this console is captive" in session.notes[-1].text, keys
        assert session.overlay is None
    assert not os.listdir(tmp_path)


# -- a pager ----------------------------------------------------------------------------------------------------------


def test_the_pager_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PAGER", "cat -n")
    assert pager.pager() == ["cat", "-n"]
    monkeypatch.setenv("PAGER", "no-such-program -x")
    with pytest.raises(ValueError, match="there is no program no-such-program"):
        pager.pager()
    monkeypatch.setenv("PAGER", "less 'x")
    with pytest.raises(ValueError, match="is no command"):
        pager.pager()
    monkeypatch.delenv("PAGER")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="neither less nor more"):
        pager.pager()


def test_a_pager_gets_the_whole_log_and_nothing_that_a_terminal_obeys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.log"
    path.write_bytes(b"first\n\x1b]52;c;eA==\x07\x1b[31mred\x1b[0m\n\xff\xfe\nlast")
    text = pager.text_of(path)
    assert text.startswith(b"first\n")
    assert text.endswith(b"last\n")
    assert b"\x1b" not in text
    assert b"\x07" not in text
    monkeypatch.setattr(pager, "LONGEST", 10)
    path.write_text("line\n" * 100)
    assert pager.text_of(path).splitlines()[0] == f"(the first 490 octets of {path} are not shown)".encode()


async def test_o_on_a_log_opens_it_and_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, at = still("faulty")
    source.where = tmp_path
    (tmp_path / "logs").mkdir()
    async with console(source, at, keys="down down") as (app, pilot):
        node = app.session.page.subject().nodes[0]
        failed = next(r for r in app.session.world.node_roles.values() if r.node == node and r.state.value == "error")
        path = tmp_path / "logs" / f"{failed.attempt}.1.log"
        path.write_text("raid: building vd0\nerror: disk sdb failed\n")
        shown: list[tuple[list[str], bytes]] = []
        app.session.terminal.pager = lambda words, text: shown.append((words, text)) or ""
        monkeypatch.setenv("PAGER", "cat")
        await press(pilot, "l")
        await until(pilot, lambda: "disk sdb failed" in shot(app))
        await press(pilot, "o")
        await until(pilot, lambda: bool(shown))
        assert shown == [(["cat"], b"raid: building vd0\nerror: disk sdb failed\n")]
        monkeypatch.setenv("PAGER", "no-such-program")
        await press(pilot, "o")
        await until(pilot, lambda: "there is no program no-such-program" in shot(app))


async def test_a_log_is_searched(tmp_path: Path) -> None:
    source, at = still("faulty")
    source.where = tmp_path
    (tmp_path / "logs").mkdir()
    async with console(source, at, keys="down down") as (app, pilot):
        node = app.session.page.subject().nodes[0]
        failed = next(r for r in app.session.world.node_roles.values() if r.node == node and r.state.value == "error")
        lines = [f"line {i}" + (" needle" if i in (3, 50, 99) else "") for i in range(100)]
        (tmp_path / "logs" / f"{failed.attempt}.1.log").write_text("\n".join(lines) + "\n")
        await press(pilot, "l")
        await until(pilot, lambda: "line 99" in shot(app))
        await press(pilot, "slash n e e d l e enter")
        assert "/needle  3 found" in shot(app)
        for key, number in (("n", 3), ("n", 50), ("n", 99), ("n", 3), ("N", 99), ("N", 50)):
            await press(pilot, key)
            assert f"»line {number} needle" in shot(app), (key, number)
        await press(pilot, "escape")
        assert app.session.page.name == "log", "esc ends the search first"
        assert "found" not in shot(app)
