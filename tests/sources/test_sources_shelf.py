"""Builds on the shelf: complete or not there, within bounds, and served to the rack only as their manifest says."""

from __future__ import annotations

import hashlib
import http.client
import os
from functools import partial
from pathlib import Path

import msgspec
import pytest
from http_rig import Rig

from engine.serve.standing import Standing
from engine.sources import SourceError, shelf
from engine.sources.shelf import KEEP, MANIFEST, Manifest

KEY = hashlib.sha256(b"a build").hexdigest()
ABOUT = Manifest(
    format=1, name="greet", commit="c" * 40, project="greet", version="1.0", python="3.11", machine="x86_64", pure=False, files=()
)


def made(folder: Path, *names: str) -> Path:
    work = folder / "work"
    for kind in ("own", "all", "build"):
        (work / kind).mkdir(parents=True)
    for name in names or ("greet-1.0-py3-none-any.whl",):
        (work / "all" / name).write_bytes(name.encode() * 1000)
    (work / "build" / "flit_core-3.9-py3-none-any.whl").write_bytes(b"f")
    sources = folder / "sources"
    sources.mkdir()
    return sources


def test_a_build_appears_complete(tmp_path: Path) -> None:
    sources = made(tmp_path)
    assert shelf.find(sources, KEY) is None
    kept = shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    assert shelf.find(sources, KEY) == kept
    assert kept.manifest.pure
    assert [one.name for one in kept.manifest.build] == ["flit_core-3.9-py3-none-any.whl"]
    assert kept.sha256 == hashlib.sha256((kept.folder / MANIFEST).read_bytes()).hexdigest()
    (kept.folder / "greet-1.0-py3-none-any.whl").write_bytes(b"cut")
    assert shelf.find(sources, KEY) is None, "a damaged one is none, and is built again"
    assert shelf.put(sources, KEY, ABOUT, tmp_path / "work") == kept
    assert sorted(path.name for path in sources.iterdir()) == [f"built-{KEY}"]


def test_compiled_parts_bind_it_to_a_python(tmp_path: Path) -> None:
    sources = made(tmp_path, "greet-1.0-py3-none-any.whl", "fast-2.0-cp311-cp311-linux_x86_64.whl")
    assert not shelf.put(sources, KEY, ABOUT, tmp_path / "work").manifest.pure


def test_only_plain_wheels_are_taken(tmp_path: Path) -> None:
    sources = made(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "work/all/not a wheel").write_text("x")
    (tmp_path / "work/all/-r.whl").write_text("x")
    kept = shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    assert [one.name for one in kept.manifest.files] == ["greet-1.0-py3-none-any.whl"]
    (tmp_path / "work/all/link-1.0-py3-none-any.whl").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    (tmp_path / "work/all/link-1.0-py3-none-any.whl").unlink()
    os.mkfifo(tmp_path / "work/all/pipe-1.0-py3-none-any.whl")
    with pytest.raises(SourceError, match="is not a plain file"):
        shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    assert shelf.find(sources, KEY) == kept
    assert [path.name for path in sources.iterdir()] == [f"built-{KEY}"], "nothing half is left"


def test_files_with_holes_do_not_fill_the_shelf(tmp_path: Path) -> None:
    sources = made(tmp_path)
    for number in range(5):
        with (tmp_path / f"work/all/hole-{number}-py3-none-any.whl").open("wb") as file:
            file.truncate(1 << 30)
    with pytest.raises(SourceError, match=r"wheels of \d+ octets, and 4294967296 is the most"):
        shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    assert list(sources.iterdir()) == []


def test_a_build_of_nothing_is_none(tmp_path: Path) -> None:
    sources = made(tmp_path)
    (tmp_path / "work/all/greet-1.0-py3-none-any.whl").unlink()
    with pytest.raises(SourceError, match="made no wheels"):
        shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    with pytest.raises(SourceError, match="made 0 wheels"):
        shelf.own_wheel(tmp_path / "work")


def test_the_longest_unused_go(tmp_path: Path) -> None:
    sources = made(tmp_path)
    keys = [hashlib.sha256(bytes([number])).hexdigest() for number in range(KEEP + 2)]
    for number, key in enumerate(keys):
        kept = shelf.put(sources, key, ABOUT, tmp_path / "work")
        os.utime(kept.folder, (number, number))
    assert {one.key for one in shelf.all_kept(sources)} == set(keys[2:])
    shelf.put(sources, KEY, msgspec.structs.replace(ABOUT, name="other"), tmp_path / "work")
    assert len(list(shelf.all_kept(sources))) == KEEP + 1, "those of another source stay"


class OneStranger:
    def of_mac(self, mac: str) -> Standing:
        return Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        return Standing.STRANGER


def ask(rig: Rig, path: str) -> tuple[int, bytes]:
    line = http.client.HTTPConnection(rig.host, rig.port, timeout=60)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def test_nodes_fetch_what_the_manifest_names(tmp_path: Path) -> None:
    sources = made(tmp_path)
    kept = shelf.put(sources, KEY, ABOUT, tmp_path / "work")
    (sources / "secret").write_text("secret")
    (kept.folder / "extra-1.0-py3-none-any.whl").write_text("not in the manifest")
    rig = Rig(tmp_path / "http", wheels=partial(shelf.file_of, sources))
    try:
        status, text = ask(rig, f"/wheels/{KEY}/{MANIFEST}")
        assert (status, hashlib.sha256(text).hexdigest()) == (200, kept.sha256)
        one = kept.manifest.files[0]
        status, data = ask(rig, f"/wheels/{KEY}/{one.name}")
        assert (status, hashlib.sha256(data).hexdigest()) == (200, one.sha256)
        for path in (
            f"{KEY}/extra-1.0-py3-none-any.whl",
            f"{KEY}/flit_core-3.9-py3-none-any.whl",
            f"{KEY}/../secret",
            f"{KEY}/%2e%2e/secret",
            f"{KEY}/a/b",
            f"{'0' * 64}/{MANIFEST}",
            f"x/{MANIFEST}",
            KEY,
        ):
            assert ask(rig, f"/wheels/{path}")[0] == 404, path
    finally:
        rig.stop()
    stranger = Rig(tmp_path / "closed", wheels=partial(shelf.file_of, sources), standings=OneStranger())
    try:
        assert ask(stranger, f"/wheels/{KEY}/{MANIFEST}")[0] == 403
    finally:
        stranger.stop()
