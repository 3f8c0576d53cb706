"""Whole builds: with a stand-in for mmdebstrap (quick), and with the real one (slow)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from crowbar_tui.cli import main
from engine.api.control import BuildError, build_image
from engine.files.catalog import shipped
from engine.files.paths import images_folder
from engine.images.build import locked
from engine.images.build.able import why_not
from engine.images.build.build import Wish, build
from engine.images.build.recipe import read_recipe
from engine.images.build.shipped import buildable
from engine.images.shelf import Shelf, image_states

EPOCH = 1_700_000_000
STATUS = "Package: busybox\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.35\n"

needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CROWBAR_IMAGES", raising=False)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    return tmp_path / "store"


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str = "", files: dict[str, str] | None = None) -> Path:
    """Puts a `mmdebstrap` on PATH that notes its arguments and gives a small tree; `after` is run when the tree is written."""
    top = tmp_path / "tree"
    given = (
        {"boot/vmlinuz": "kernel", "var/lib/dpkg/status": STATUS, "usr/share/doc/x": "text", "etc/hostname": "h"}
        if files is None
        else files
    )
    for path, text in given.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    tar = tmp_path / "tree.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(top, arcname=".")
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "mmdebstrap"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/arguments\necho "I: creating tarball..." >&2\ncat {tar}\n{after}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "arguments"


@needs_zstd
def test_a_discovery_system(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = stand_in(tmp_path, monkeypatch)
    said: list[str] = []
    built, place = build_image(store, "sledgehammer", "cloud", tell=said.append)
    assert place == store / "images/sledgehammer"
    assert built.files.keys() == {"vmlinuz", "initrd.img", "packages.list"}
    assert built.packages == 1
    assert (place / "vmlinuz").read_text() == "kernel"
    assert said == ["packing and compressing", "writing checksums"]
    assert any("linux-image-cloud-amd64" in line for line in arguments.read_text().splitlines())
    listed = locked.parse((place / "packages.list").read_text())
    assert (listed.variant, listed.epoch, listed.packages) == ("cloud", EPOCH, (("busybox", "1:1.35", "amd64"),))
    if shutil.which("cpio") is not None:
        plain = subprocess.run(["zstd", "-dc", place / "initrd.img"], capture_output=True, check=True, timeout=60).stdout
        names = subprocess.run(["cpio", "-t", "--quiet"], input=plain, capture_output=True, check=True, timeout=60).stdout.decode().split()
        assert {"init", "etc/hostname", "usr/lib/crowbar/agent", "usr/bin/attempt"} <= set(names)
        assert not {"boot/vmlinuz", "usr/share/doc/x"} & set(names)
    again, _ = build_image(store, "sledgehammer", locked="")
    assert again.files == built.files, "the same packages, the same image"
    assert "--include=busybox=1:1.35" in arguments.read_text().splitlines()
    states = {state["name"]: state for state in image_states(store)}
    assert states["sledgehammer"]["whole"] is True
    assert states["sledgehammer"]["sha256"] == {file: digest for file, (_, digest) in built.files.items() if file != "packages.list"}


@needs_zstd
def test_an_installable_system(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    built, place = build_image(store, "debian-12")
    assert (built.variant, set(built.files)) == ("metal", {"root.ext4.zst", "packages.list"})
    blocks = tmp_path / "root.ext4"
    subprocess.run(["zstd", "-dq", place / "root.ext4.zst", "-o", blocks], check=True, timeout=60)
    assert built.unpacked == blocks.stat().st_size

    def there(path: str) -> bool:
        done = subprocess.run(["debugfs", "-R", f"stat {path}", blocks], capture_output=True, text=True, check=True, timeout=60)
        return "Inode:" in done.stdout

    assert there("/boot/vmlinuz")
    assert not there("/usr/lib/crowbar/agent"), "it is put there when the system is installed"


@needs_zstd
@pytest.mark.parametrize(
    ("after", "files", "words"),
    [
        ("echo 'E: no luck' >&2; exit 25", None, "mmdebstrap failed: no luck"),
        ("", {"var/lib/dpkg/status": STATUS}, "no kernel"),
        ("", {"boot/vmlinuz": "k"}, "no package list"),
    ],
)
def test_what_is_not_whole_is_not_put_in_place(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, after: str, files: dict[str, str] | None, words: str
) -> None:
    old = store / "images/sledgehammer"
    old.mkdir(parents=True)
    (old / "vmlinuz").write_text("old")
    stand_in(tmp_path, monkeypatch, after, files)
    with pytest.raises(BuildError, match=words):
        build_image(store, "sledgehammer", "cloud")
    assert [path.name for path in old.iterdir()] == ["vmlinuz"]
    assert not list((store / "images").glob("*.new"))


def test_programs_that_are_missing(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"not installed: mmdebstrap, zstd \(apt install mmdebstrap zstd\)"):
        build_image(store, "debian-12")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("sledgehamer", {}, "there is no image sledgehamer; did you mean sledgehammer?"),
        ("rocky-9-installer", {}, "it has no recipe"),
        ("debian-12", {"variant": "cluod"}, "has no variant 'cluod'; there is cloud, metal"),
        ("debian-12", {"locked": ""}, "nothing to repeat"),
        ("debian-12", {"offline": True}, "has no kept packages"),
        ("loader", {"mirror": "http://192.168.124.1/debian"}, "it has no mirrors"),
    ],
)
def test_wishes_that_cannot_be_met(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, str], words: str
) -> None:
    stand_in(tmp_path, monkeypatch)
    with pytest.raises(BuildError) as found:
        build_image(store, name, **given)  # type: ignore[arg-type]
    assert words in str(found.value)


def test_copies(tmp_path: Path, store: Path) -> None:
    (tmp_path / "here").write_text("loader")
    folder = tmp_path / "loader"
    folder.mkdir()
    (folder / "recipe.yml").write_text(
        f"format: copy\npackages: [ipxe]\ncopies: {{a: [/none, {tmp_path}/here], b: [/none], c: [/none/c]}}\n"
    )
    recipe = read_recipe(folder)
    said: list[str] = []
    built = build(recipe, ["a"], store, folder, Wish(), said.append, ["b"])
    assert built.files.keys() == {"a"}
    assert said[0] == "without b: /none is not on this machine"
    with pytest.raises(BuildError, match=r"/none/c is not on this machine \(apt install ipxe\)"):
        build(recipe, ["a", "c"], store, folder, Wish(), said.append)


# -- the command, the directory, the running engine ------------------------------------------------------------------


@needs_zstd
def test_the_command(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(tmp_path, monkeypatch)
    monkeypatch.setenv("CROWBAR_IMAGES", str(tmp_path / "shared"))
    assert main(["--store", str(store), "image", "build", "debian-12", "--variant", "cloud"]) == 0
    out = capsys.readouterr().out
    assert "packing and compressing" in out
    assert out.splitlines()[-1].startswith(f"{tmp_path}/shared/debian-12: debian-12 cloud of 1 packages")
    assert main(["--store", str(store), "image", "build", "debian-12", "--variant", "cloud", "--json"]) == 0
    *moved, row = map(json.loads, capsys.readouterr().out.splitlines())
    assert {one["type"] for one in moved} == {"progress"}
    assert (row["name"], row["variant"], row["place"]) == ("debian-12", "cloud", str(tmp_path / "shared/debian-12"))
    assert images_folder(store) == tmp_path / "shared"
    assert main(["--store", str(store), "image", "list"]) == 1, "the others are not there"
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("debian-12 "))
    assert line.endswith("whole")
    assert row["files"]["root.ext4.zst"]["sha256"][:12] in line
    assert main(["--store", str(store), "image", "build", "nothing"]) == 1
    assert capsys.readouterr().err.startswith("crowbar: there is no image nothing")


@needs_zstd
def test_a_running_engine_takes_up_a_new_build(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(shipped(), images_folder(store), synthetic=False)
    assert shelf.current().file("debian-12", "root.ext4.zst") is None
    assert shelf.current().missing("debian-12").code == "image_missing"
    stand_in(tmp_path, monkeypatch)
    build_image(store, "debian-12")
    first = shelf.current().file("debian-12", "root.ext4.zst")
    assert first is not None
    assert shelf.current().file("debian-12", "root.ext4.zst") is first
    (tmp_path / "tree/etc/motd").parent.mkdir(parents=True, exist_ok=True)
    stand_in(tmp_path, monkeypatch, files={"var/lib/dpkg/status": STATUS, "etc/motd": "new"})
    build_image(store, "debian-12")
    second = shelf.current().file("debian-12", "root.ext4.zst")
    assert second is not None
    assert second.sha256 != first.sha256


# -- for real --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("sledgehammer", 80_000_000), ("debian-12", 160_000_000), ("sledgehammer-arm64", 100_000_000)])
def test_a_real_build(store: Path, name: str, most: int) -> None:
    if missing := why_not(buildable()[name].arch):
        pytest.skip(missing)
    try:
        built, place = build_image(store, name, "cloud")
    except BuildError as error:
        if "cannot reach the mirror" in str(error):
            pytest.skip(str(error))
        raise
    assert built.packages > 100
    assert sum(size for size, _ in built.files.values()) < most
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=place, check=False, timeout=60).returncode == 0
    if name == "sledgehammer-arm64":
        assert {"grubaa64.efi", "vmlinuz", "initrd.img"} <= built.files.keys()
        return  # by emulation one is enough
    again, _ = build_image(store, name, locked="", offline=True)
    assert again.files["packages.list"] == built.files["packages.list"]
    if name == "sledgehammer":
        assert again.files == built.files, "the same packages give the same octets"
