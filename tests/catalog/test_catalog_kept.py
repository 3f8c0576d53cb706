"""The kept catalogue: the same as the read one, for as long as no file changes, and never believed when it may be another's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.files import catalog, kept_catalog, stamp
from engine.files.kept_catalog import NAME


def test_the_kept_one_is_the_read_one(tmp_path: Path) -> None:
    first = kept_catalog.shipped(tmp_path)
    kept = (tmp_path / NAME).stat()
    second = kept_catalog.shipped(tmp_path)
    assert first == second == catalog.shipped()
    assert (tmp_path / NAME).stat().st_ino == kept.st_ino, "it was written again, so it was not read"


def test_what_is_kept_is_what_comes_back(tmp_path: Path) -> None:
    whole = kept_catalog.shipped(tmp_path)
    other = type(whole)(roles={}, attributes={}, stages=())
    kept = kept_catalog.Kept(stamp=stamp.shipped_stamp(), catalog=other)
    (tmp_path / NAME).write_bytes(kept_catalog.msgspec.msgpack.encode(kept))
    assert kept_catalog.shipped(tmp_path) == other


def a_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def other_words(file: Path) -> None:
    file.write_bytes(b"\xc1 no msgpack")


def for_all(file: Path) -> None:
    file.chmod(0o666)


def of_another(file: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(file, 65534, 65534)


def of_another_time(file: Path) -> None:
    kept = kept_catalog.Kept(stamp="0" * 64, catalog=catalog.Catalog(roles={}, attributes={}, stages=()))
    file.write_bytes(kept_catalog.msgspec.msgpack.encode(kept))


@pytest.mark.parametrize("spoil", [a_byte, other_words, for_all, of_another, of_another_time])
def test_a_spoilt_one_counts_as_absent(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    kept_catalog.shipped(tmp_path)
    spoil(tmp_path / NAME)
    assert kept_catalog.shipped(tmp_path) == catalog.shipped()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "run").write_text("#!/bin/sh\nexit 1\n"),
        lambda folder: (folder / "run").chmod(0o755),
        lambda folder: (folder / "run").unlink(),
        lambda folder: (folder / "verify").touch(),
        lambda folder: os.utime(folder / "run", (1, 1)),
        lambda folder: (folder / "run").rename(folder / "gone"),
        lambda folder: (folder / "empty").mkdir(),
    ],
)
def test_every_change_below_a_folder_shows(change: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "b" / "roles"
    folder.mkdir(parents=True)
    (folder / "run").write_text("#!/bin/sh\nexit 0\n")
    (folder / "run").chmod(0o644)
    before = stamp.stamp([tmp_path])
    assert stamp.stamp([tmp_path]) == before
    change(folder)
    assert stamp.stamp([tmp_path]) != before


def test_compiled_modules_do_not_count(tmp_path: Path) -> None:
    before = stamp.stamp([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").touch()
    assert stamp.stamp([tmp_path]) == before


def test_a_store_that_is_not_there_keeps_none(tmp_path: Path) -> None:
    assert kept_catalog.shipped(tmp_path / "none") == catalog.shipped()
    assert not (tmp_path / "none").exists()


def test_a_process_reads_it_again_only_after_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    first = catalog.shipped()
    assert catalog.shipped() is first
    monkeypatch.setattr(catalog, "shipped_stamp", lambda: "of other files")
    again = catalog.shipped()
    assert again is not first
    assert again == first
