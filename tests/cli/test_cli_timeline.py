"""`crowbar timeline`: as lines, as JSON lines and as a picture; of a store, of a running engine and of an exported journal."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_store import Run, objects

from crowbar_tui.commands import timeline

GOLDEN = Path(__file__).parents[1] / "golden" / "console" / "past.jsonl.gz"


def test_one_line_per_machine_and_what_its_signs_mean(crowbar: Run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = crowbar("timeline", str(GOLDEN))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:8]] == ["node-20", "node-18", "node-12", "node-10", "node-14", "node-16", "admin"]
    assert max(len(line) for line in lines) <= 100
    assert "! failure" in lines[-1]
    broken = next(line for line in lines if line.startswith("node-14"))
    assert "!" in broken
    assert "▒" in broken


def test_ascii_where_the_locale_has_nothing_else(crowbar: Run, monkeypatch) -> None:
    monkeypatch.setenv("CROWBAR_ASCII", "1")
    code, out, _ = crowbar("timeline", str(GOLDEN))
    assert code == 0
    assert out.isascii()


def test_json_lines_cover_each_life_without_a_gap(crowbar: Run) -> None:
    code, out, _ = crowbar("timeline", str(GOLDEN), "--json")
    assert code == 0
    lives = objects(out)
    assert {life["type"] for life in lives} == {"life"}
    assert len(lives) == 7
    for life in lives:
        at = life["begins"]
        for segment in life["segments"]:
            assert segment["at"] == pytest.approx(at, abs=0.01)
            at = segment["at"] + segment["seconds"]
        assert sum(life["spent"].values()) == pytest.approx(sum(s["seconds"] for s in life["segments"]), abs=0.01)
    broken = next(life for life in lives if life["node"].startswith("node-14"))
    assert [mark["kind"] for mark in broken["marks"]] == ["failure"]
    assert broken["segments"][-1]["condition"] == "problem"


def test_a_picture_is_written_whole_or_not_at_all(crowbar: Run, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    file = folder / "bring-up.svg"
    code, out, _ = crowbar("timeline", str(GOLDEN), "--svg", str(file))
    assert code == 0
    assert out == f"7 machines in {file}\n"
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert os.listdir(folder) == ["bring-up.svg"]
    code, _, err = crowbar("timeline", str(GOLDEN), "--svg", str(tmp_path / "no" / "x.svg"))
    assert code == 2
    assert err.endswith("x.svg: the picture cannot be written: No such file or directory\n")
    assert os.listdir(folder) == ["bring-up.svg"]


def test_the_right_edge_of_a_running_engine_is_now(store: Path, crowbar: Run, engine) -> None:
    before = {life["node"]: life for life in objects(crowbar("timeline", "--json")[1])}
    assert len(before) >= 3
    view = timeline.read(store)
    later = view.engine(view.wall(view.now) + 60)
    assert later == pytest.approx(view.now + 60)
    assert all(life.segments[-1].ends == later for life in view.lives(later) if life.segments)


def test_a_folder_without_a_store_and_a_file_that_is_no_journal_are_refused(crowbar: Run, tmp_path: Path) -> None:
    code, _, err = crowbar("timeline", str(tmp_path / "nothing"))
    assert code == 2
    assert "there is no store in" in err
    (tmp_path / "x.jsonl").write_text("hello\n")
    code, _, err = crowbar("timeline", str(tmp_path / "x.jsonl"))
    assert code == 2
    assert err


def test_the_critical_path_beside_the_sum(crowbar: Run) -> None:
    code, out, _ = crowbar("timeline", str(GOLDEN), "--path")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["node", "role", "after", "waited", "took"]
    assert lines[-1].startswith("critical path: ")
    code, out, _ = crowbar("timeline", str(GOLDEN), "--path", "--json")
    assert code == 0
    *steps, path = objects(out)
    assert (path["type"], path["steps"]) == ("path", len(lines) - 2)
    assert path["busy"] == pytest.approx(sum(one["seconds"] for one in steps), abs=0.01)
    assert path["seconds"] == pytest.approx(path["busy"] + sum(one["waited"] for one in steps), abs=0.1)


def test_the_critical_path_is_no_picture(crowbar: Run, tmp_path: Path) -> None:
    code, _, err = crowbar("timeline", str(GOLDEN), "--path", "--svg", str(tmp_path / "a.svg"))
    assert (code, err) == (2, "crowbar: --path makes no picture: leave out --svg\n")
    assert not (tmp_path / "a.svg").exists()
