"""`crowbar events --export` and `crowbar look-back`: what they say without a terminal."""

from __future__ import annotations

import json
from pathlib import Path

from cli_store import Run, objects

from engine.store.journal_file import JournalFile


def test_the_whole_journal_is_exported(store: Path, crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "a run.jsonl.gz"
    code, out, _ = crowbar("events", "--export", str(file))
    assert code == 0
    with JournalFile(file) as journal:
        many = journal.last_seq()
        assert f"{many} events in {file}: open it with crowbar look-back '{file}'" in out
        assert len(journal.journal(0, 100_000)) == many > 0
    code, out, _ = crowbar("events", "--export", str(tmp_path / "b.jsonl"), "--json")
    assert (code, objects(out)[0]["last"]) == (0, many)
    assert json.loads((tmp_path / "b.jsonl").read_text().splitlines()[0])["version"] == 1


def test_a_file_that_is_there_is_kept(store: Path, crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("mine")
    code, _, err = crowbar("events", "--export", str(file))
    assert (code, file.read_text()) == (2, "mine")
    assert "already exists" in err


def test_without_a_terminal_it_says_what_prints(store: Path, crowbar: Run) -> None:
    code, _, err = crowbar("look-back")
    assert code == 2
    assert "look-back needs a terminal; without one, use crowbar events" in err
