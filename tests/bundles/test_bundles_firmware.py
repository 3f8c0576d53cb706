"""A bundle carries the makers' files that the plan names in `firmware-wanted`, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_lab import PLAN, bundle

from engine.bundles import BundleError
from engine.bundles.contents import Wish, collect
from engine.bundles.opening import open_bundle
from engine.files import plan_file
from engine.files.catalog import shipped

WANTED = """deployments:
  firmware:
    attributes:
      firmware-wanted:
        - {part: bios, version: 3.0.0, file: bios.bin}
        - {part: nic, version: 1.3.0, file: nic.cab}
        - {part: bmc, version: "2.1"}
"""


def wish(store: Path, *without: str) -> Wish:
    text = PLAN.read_text().replace("deployments:\n", WANTED, 1)
    plan = plan_file.read(text, "plan.yml", shipped())
    left = ("images", "packages", "sources", "wheels", *without)
    return Wish(store=store, plan=plan, plan_text=text, catalog=shipped(), version="1", without=left)


def test_named_files_are_carried_and_missing_ones_are_told(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "firmware").mkdir(parents=True)
    (here / "firmware/bios.bin").write_bytes(b"new bios")
    (here / "firmware/other.bin").write_bytes(b"nobody wants it")
    found, _, left_out = collect(wish(here), tmp_path, lambda _text: None)
    assert {name for name in found if name.startswith("firmware/")} == {"firmware/bios.bin"}
    assert [one for one in left_out if "nic.cab is not in" in one]
    parts = {name: one if isinstance(one, bytes) else one.read_bytes() for name, one in found.items()}
    file = tmp_path / "rack.crowbar"
    file.write_bytes(bundle(parts))
    open_bundle(there, file)
    assert (there / "firmware/bios.bin").read_bytes() == b"new bios"
    assert not (there / "firmware/other.bin").exists()
    none, _, why = collect(wish(here, "firmware"), tmp_path, lambda _text: None)
    assert not [name for name in none if name.startswith("firmware/")]
    assert "firmware: left out as ordered" in why


def test_a_newer_bundle_replaces_a_file_and_leaves_the_site_s_own(tmp_path: Path) -> None:
    file = tmp_path / "rack.crowbar"
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware/own.bin").write_bytes(b"the site's")
    for content in (b"one", b"two"):
        file.write_bytes(bundle({"plan.yml": b"crowbar: 1\n", "firmware/bios.bin": content}))
        open_bundle(tmp_path, file)
        assert (tmp_path / "firmware/bios.bin").read_bytes() == content
    assert (tmp_path / "firmware/own.bin").read_bytes() == b"the site's"


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rack.crowbar"
    file.write_bytes(bundle({"plan.yml": b"crowbar: 1\n", "firmware/deep/bios.bin": b"x"}))
    with pytest.raises(BundleError, match="firmware/deep, which is no file"):
        open_bundle(tmp_path, file)
    assert not (tmp_path / "firmware").exists()
