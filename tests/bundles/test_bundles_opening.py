"""A bundle is opened completely or not at all, wherever it is interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from bundle_lab import PARTS, bundle, tree

from engine.bundles import BundleError, opening
from engine.bundles.opening import close_bundle, finish, open_bundle, unfinished

LIST = "deb.debian.org/debian/dists/bookworm/InRelease"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "rack.crowbar"
    place.write_bytes(bundle())
    return place


def opened(store: Path) -> dict[str, bytes]:
    """The files that count, by the names of their parts."""
    found = {f"images/{name}": data for name, data in tree(store / "images").items()}
    found |= {f"packages/{name}": data for name, data in tree(store / "mirrors/current").items()}
    found |= {f"wheels/{name}": data for name, data in tree(store / "wheels").items()}
    return found | {name: data for name, data in tree(store / "bundle").items() if name == "plan.yml"}


def test_everything_is_in_its_place(tmp_path: Path, file: Path) -> None:
    store = tmp_path / "store"
    tape = open_bundle(store, file)
    assert opened(store) == PARTS
    assert (store / "bundle/manifest.json").read_bytes() == tape.text
    assert not [name for name in os.listdir(store) if name.startswith(".bundle-") and name != ".bundle-lock"]
    assert (store / "images/loader/ipxe.efi").stat().st_mode & 0o777 == 0o644
    assert open_bundle(store, file).fingerprint == tape.fingerprint, "a second time changes nothing"
    assert opened(store) == PARTS


def test_a_newer_bundle_takes_the_place_of_the_old_one(tmp_path: Path, file: Path) -> None:
    store = tmp_path / "store"
    open_bundle(store, file)
    newer = {"images/loader/SHA256SUMS": b"newer\n", f"packages/{LIST}": b"newer list\n", "plan.yml": b"newer plan\n"}
    file.write_bytes(bundle(newer))
    open_bundle(store, file)
    assert {name: data for name, data in opened(store).items() if "wheels" not in name} == newer
    assert len([one for one in (store / "mirrors").iterdir() if not one.is_symlink()]) == 1
    assert close_bundle(store)
    assert not (store / "mirrors").exists()
    assert not close_bundle(store)


@pytest.mark.parametrize("spoil", ["cut", "bit", "key", "sums", "room"])
def test_nothing_changes_if_it_is_not_whole(tmp_path: Path, file: Path, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    open_bundle(store, file)
    before = tree(store)
    data, key = bundle(PARTS | {"plan.yml": b"another plan\n"}), ""
    if spoil == "cut":
        data = data[:-2000]
    elif spoil == "bit":
        data = data.replace(b"x" * 512, b"x" * 511 + b"y")
    elif spoil == "key":
        key = "0" * 64
    elif spoil == "sums":
        data = bundle({"images/loader/ipxe.efi": b"1"})
    else:
        monkeypatch.setattr(opening, "LEAST_FREE", 1 << 60)
    file.write_bytes(data)
    with pytest.raises(BundleError):
        open_bundle(store, file, key)
    assert tree(store) == before


CALLS = ("replace", "rename")
MOMENTS = 8
"""Renames of one opening."""


@pytest.mark.parametrize("at", range(MOMENTS + 1))
def test_killed_anywhere_it_is_the_old_or_the_new_one(tmp_path: Path, file: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rename is one moment at which the process may end. Before the bundle is ready the old one counts; afterwards `finish` makes
    the new one count."""
    store = tmp_path / "store"
    old = {"images/loader/SHA256SUMS": b"old\n", f"packages/{LIST}": b"old list\n", "plan.yml": b"old plan\n"}
    file.write_bytes(bundle(old))
    open_bundle(store, file)
    file.write_bytes(bundle())
    count = 0

    class Killed(BaseException):
        pass

    def dying(name: str) -> Any:
        real = getattr(os, name)

        def call(*words: Any, **more: Any) -> Any:
            nonlocal count
            if count == at:
                raise Killed
            count += 1
            return real(*words, **more)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(opening.os, name, dying(name))
        try:
            open_bundle(store, file)
            done = True
        except Killed:
            done = False
    ready = unfinished(store)
    finish(store)
    assert not unfinished(store)
    assert opened(store) == (PARTS if ready or done else old)
    assert done == (at >= MOMENTS)


def test_two_at_once(tmp_path: Path, file: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with opening._alone(store), pytest.raises(BundleError, match="another command opens a bundle"):
        open_bundle(store, file)
