"""The version of Crowbar that built an image: recorded at the build, and shown wherever images are listed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_imaging_build import needs_zstd, stand_in, store

from crowbar_tui.cli import main
from engine.api.control import build_image, image_remarks
from engine.files.catalog import shipped
from engine.files.paths import shipped_folder
from engine.files.plan_file import read
from engine.images.build import locked
from engine.images.build.origin import NOTE, origin
from engine.images.build.recipe import Recipe, Variant, read_recipe
from engine.images.shelf import built_by_other, image_states, open_images

__all__ = ["store"]
NODE = shipped_folder("images") / "node"
PLAN = """crowbar: 1
site: {name: lab, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80}}}
attributes: {target-os: debian-12}
deployments: {}
"""


def copy(tmp_path: Path) -> tuple[Recipe, Path]:
    """sledgehammer's recipe and the node's tools, to be changed."""
    folder, node = tmp_path / "images" / "sledgehammer", tmp_path / "node"
    shutil.copytree(shipped_folder("images") / "sledgehammer", folder)
    shutil.copytree(NODE, node)
    return read_recipe(folder), node


def test_what_makes_an_image_another_one(tmp_path: Path) -> None:
    recipe, node = copy(tmp_path)
    cloud, metal = recipe.variants["cloud"], recipe.variants["metal"]
    first = origin(recipe, cloud, node)
    assert first == origin(read_recipe(shipped_folder("images") / "sledgehammer"), cloud, NODE), "wherever it lies"
    seen = {first, origin(recipe, metal, node)}
    for changed in (
        replace(recipe, packages=(*recipe.packages, "vim")),
        replace(recipe, drop=recipe.drop[1:]),
        replace(recipe, arch="arm64"),
        replace(recipe, links={}),
        replace(recipe, suite="trixie"),
    ):
        seen.add(origin(changed, cloud, node))
    for file in (node / "agent", tmp_path / "images/sledgehammer/files/init", tmp_path / "images/sledgehammer/customize"):
        file.write_bytes(file.read_bytes() + b"# more\n")
        seen.add(origin(recipe, cloud, node))
    assert len(seen) == 10, "each is another one"


def test_what_does_not(tmp_path: Path) -> None:
    recipe, node = copy(tmp_path)
    cloud = recipe.variants["cloud"]
    first = origin(recipe, cloud, node)
    other = replace(recipe, variants={**recipe.variants, "new": Variant(name="new", packages=("vim",))}, default="new")
    assert origin(other, replace(cloud, description="other words"), node) == first
    (node / "README").write_text("no tool")
    assert origin(recipe, cloud, node) == first


@needs_zstd
def test_from_the_build_to_the_list(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(tmp_path, monkeypatch)
    _, place = build_image(store, "sledgehammer", "cloud")
    plan = read(PLAN, "plan.yml", shipped())
    recorded = locked.parse((place / "packages.list").read_text())
    assert len(recorded.origin) == 64
    assert not built_by_other(place)
    assert image_remarks(store, plan) == [
        "image debian-12 is missing; crowbar image build debian-12",
        "image loader is missing; crowbar image build loader",
    ]
    if shutil.which("cpio") is not None:
        plain = subprocess.run(["zstd", "-dc", place / "initrd.img"], capture_output=True, check=True, timeout=60).stdout
        words = ["cpio", "-i", "--quiet", "--to-stdout", NOTE]
        note = subprocess.run(words, input=plain, capture_output=True, check=True, timeout=60).stdout.decode()
        assert note == f"image: sledgehammer\nvariant: cloud\narch: amd64\norigin: {recorded.origin}\n"

    # as after an upgrade: this program would build another one
    text = (place / "packages.list").read_text()
    for later in (text.replace(recorded.origin, "0" * 64), "".join(one for one in text.splitlines(True) if "origin" not in one)):
        (place / "packages.list").write_text(later)
        told = "another version of Crowbar built image sledgehammer, so its agent or packages may not match"
        row = next(row for row in image_states(store) if row["name"] == "sledgehammer")
        assert (row["whole"], row["other"]) == (True, told)
        assert f"{told}; crowbar image build sledgehammer" in image_remarks(store, plan)
        assert main(["--store", str(store), "image", "list"]) == 1, "the others are not there"
        assert f"whole, but {told}; crowbar image build sledgehammer" in capsys.readouterr().out
        assert open_images(shipped(), store / "images", synthetic=False).file("sledgehammer", "vmlinuz") is not None, "it is served"
    main(["--store", str(store), "image", "list", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows if row["other"]] == ["sledgehammer"]
    build_image(store, "sledgehammer", locked="")
    assert not built_by_other(place), "built again, of the same packages"


def test_images_that_we_do_not_build(tmp_path: Path) -> None:
    folder = tmp_path / "rocky-9-installer"
    folder.mkdir()
    assert not built_by_other(folder)
    (folder / "packages.list").write_text("no list\n")
    assert not built_by_other(folder)
