"""Debian's installer with all of its parts in its initramfs: which those are, where they come from, and what is built when a mirror lacks some."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.files.paths import shipped_folder
from engine.images.build import udebs
from engine.images.build.apt import Apt
from engine.images.build.errors import BuildError
from engine.images.build.installer import PLACE, RETRIEVER, _files, make
from engine.images.build.recipe import Recipe, read_recipe
from engine.images.cpio import Cpio

NODE = shipped_folder("images") / "node"
KERNEL = "6.1.0-9-amd64"
needs_apt = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("apt-get", "dpkg-deb")), reason="this is no Debian: apt-get and dpkg-deb are not here"
)


def part(name: str, **fields: str) -> dict[str, str]:
    return {"Package": name, "Version": "1", "Architecture": "amd64", **{key.replace("_", "-"): value for key, value in fields.items()}}


PRESENT = [part("anna"), part("libc6-udeb", Provides="libc6"), part(f"kernel-image-{KERNEL}-di", Provides="kernel-image")]


def test_the_parts_are_what_is_wanted_and_what_that_depends_on() -> None:
    index = [
        part("finish-install", Depends="di-utils (>= 1), libc6-udeb (>= 2)"),
        part("di-utils", Depends="anna | other"),
        part("unwanted"),
        part("partman-ext3", Depends="ext4-modules"),
        part(f"ext4-modules-{KERNEL}-di", Provides="ext3-modules, ext4-modules", Kernel_Version=KERNEL),
        part("ext4-modules-5.0-di", Provides="ext4-modules", Kernel_Version="5.0"),
    ]
    found = udebs.wanted(["finish-install", "partman-ext3"], index, PRESENT, KERNEL)
    assert [one["Package"] for one in found] == ["finish-install", "di-utils", "partman-ext3", f"ext4-modules-{KERNEL}-di"]
    with pytest.raises(BuildError, match=r"has no grub-installer"):
        udebs.wanted(["grub-installer"], index, PRESENT, KERNEL)


def test_the_kernel_is_the_one_in_the_initramfs() -> None:
    assert udebs.kernel_of(PRESENT) == KERNEL
    with pytest.raises(BuildError, match="which kernel"):
        udebs.kernel_of(PRESENT[:1])


def test_an_index_is_read_as_it_was_written() -> None:
    text = udebs.index(
        [
            (part("a", Depends="b", Filename="pool/a.udeb", SHA256="old", Priority="optional"), "a_1_all.udeb", 7, "new"),
            (part("b"), "b", 1, "x"),
        ]
    )
    first, second = udebs.stanzas(text)
    wanted = {"Package": "a", "Filename": "a_1_all.udeb", "Size": "7", "SHA256": "new", "Priority": "standard", "Depends": "b"}
    assert wanted.items() <= first.items()
    assert second["Package"] == "b"
    assert udebs.stanzas("Package: a\nDescription: x\n more\n .\n\n\nnothing\n") == [{"Package": "a", "Description": "x"}]


class Repository:
    """A mirror in a folder: packages that are there, and some that only its lists name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, list[str]] = {"main": [], "main/debian-installer": []}
        self._scratch = folder / "scratch"

    def add(self, name: str, files: dict[str, bytes] | None = None, udeb: bool = False, there: bool = True, **fields: Any) -> None:
        tree = self._scratch / name
        (tree / "DEBIAN").mkdir(parents=True)
        control = "".join(f"{key}: {value}\n" for key, value in {**part(name, **fields), "Maintainer": "x", "Description": "y"}.items())
        (tree / "DEBIAN/control").write_text(control)
        for path, body in (files or {}).items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(body)
        file = self.folder / "pool" / f"{name}_1_amd64.{'udeb' if udeb else 'deb'}"
        file.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "--build", "-Znone", str(tree), str(file)], check=True, capture_output=True, timeout=60)
        body = file.read_bytes()
        row = f"{control}Filename: pool/{file.name}\nSize: {len(body)}\nSHA256: {hashlib.sha256(body).hexdigest()}\n"
        self._rows["main/debian-installer" if udeb else "main"].append(row)
        if not there:
            file.unlink()

    def apt(self, folder: Path, offline: bool = False) -> Apt:
        sums = []
        for component, rows in self._rows.items():
            path = f"{component}/binary-amd64/Packages"
            body = "\n".join(rows).encode()
            (self.folder / "dists/stable" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "dists/stable" / path).write_bytes(body)
            sums.append(f" {hashlib.sha256(body).hexdigest()} {len(body)} {path}\n")
        release = "Suite: stable\nCodename: stable\nComponents: main main/debian-installer\nArchitectures: amd64\nSHA256:\n" + "".join(sums)
        (self.folder / "dists/stable/Release").write_text(release)
        made = Apt(folder, [f"deb [trusted=yes] copy:{self.folder} stable main main/debian-installer"], "amd64", offline)
        made.update()
        return made


def initramfs() -> bytes:
    out = io.BytesIO()
    archive = Cpio(out)
    status = "\n".join("".join(f"{key}: {value}\n" for key, value in one.items()) for one in PRESENT)
    for path, body in {"init": b"#!/bin/sh\n", "var/lib/dpkg/status": status.encode()}.items():
        archive.add(path, "file", 0o755, body)
    archive.end()
    return gzip.compress(out.getvalue())


RECIPE = Recipe(
    name="debian-x-installer",
    folder="",
    format="installer",
    suite="stable",
    packages=("netboot",),
    copies={"linux": ("usr/lib/d-i/linux",), "initrd.gz": ("usr/lib/d-i/initrd.gz",)},
    parts=("finish-install", "partman-ext3"),
    modules=("ext4",),
    instead={"e2fsprogs-udeb": ("e2fsprogs",)},
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "mirror")
    made.add("netboot", {"usr/lib/d-i/linux": b"kernel", "usr/lib/d-i/initrd.gz": initramfs()})
    made.add("finish-install", {"usr/lib/finish-install.d/x": b"x"}, udeb=True, Depends="libc6-udeb")
    made.add("partman-ext3", udeb=True, Depends="ext4-modules, e2fsprogs-udeb")
    return made


def with_modules(repository: Repository, there: bool) -> None:
    repository.add(
        f"ext4-modules-{KERNEL}-di",
        {f"lib/modules/{KERNEL}/kernel/fs/ext4/ext4.ko": b"udeb"},
        udeb=True,
        there=there,
        Provides="ext4-modules",
        Kernel_Version=KERNEL,
        Depends=f"kernel-image-{KERNEL}-di",
    )


def built(repository: Repository, tmp_path: Path, **more: Any) -> tuple[dict[str, bytes], list[str]]:
    """The files of the archive that came to the initramfs, and what was told."""
    folder, said = tmp_path / "out", list[str]()
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    _, count = make(RECIPE, NODE, repository.apt(tmp_path / "apt", **more), folder, said.append)
    assert (folder / "linux").read_bytes() == b"kernel"
    whole, before = (folder / "initrd.gz").read_bytes(), initramfs()
    assert whole.startswith(before[:4])
    assert gzip.decompress(whole).startswith(gzip.decompress(before)), "the installer's own comes first, as it was"
    files = dict(_files(io.BytesIO(gzip.decompress(whole)[len(gzip.decompress(before)) :])))
    assert count == len(udebs.stanzas(files[f"{PLACE}/Packages"].decode()))
    return files, said


def contents(udeb: bytes, tmp_path: Path) -> str:
    (tmp_path / "x.udeb").write_bytes(udeb)
    return subprocess.run(
        ["dpkg-deb", "--contents", str(tmp_path / "x.udeb")], capture_output=True, text=True, check=True, timeout=60
    ).stdout


@needs_apt
def test_all_parts_are_in_the_initramfs_with_what_reads_them(repository: Repository, tmp_path: Path) -> None:
    with_modules(repository, there=True)
    repository.add("e2fsprogs-udeb", {"sbin/mke2fs": b"x"}, udeb=True)
    files, _ = built(repository, tmp_path)
    names = {f"{name}_1_amd64.udeb" for name in ("finish-install", "partman-ext3", "e2fsprogs-udeb", f"ext4-modules-{KERNEL}-di")}
    assert {path.rpartition("/")[2] for path in files if path.endswith(".udeb")} == names
    assert files[RETRIEVER] == (NODE / "retriever").read_bytes()
    for one in udebs.stanzas(files[f"{PLACE}/Packages"].decode()):
        assert hashlib.sha256(files[f"{PLACE}/{one['Filename']}"]).hexdigest() == one["SHA256"]
    again, _ = built(repository, tmp_path, offline=True)
    assert again.keys() == files.keys(), "without a network, of what was kept"


@needs_apt
def test_what_the_mirror_lacks_is_made_of_packages_of_the_same_version(repository: Repository, tmp_path: Path) -> None:
    with_modules(repository, there=False)
    repository.add("e2fsprogs-udeb", udeb=True, there=False, Depends="libc6-udeb")
    repository.add("e2fsprogs", {"sbin/mke2fs": b"\x7fELF", "etc/mke2fs.conf": b"c", "usr/share/doc/e2fsprogs/copyright": b"long"})
    modules = {
        f"usr/lib/modules/{KERNEL}/kernel/{path}": b"m"
        for path in ("fs/ext4/ext4.ko.xz", "drivers/gpu/drm/x.ko.xz", "drivers/nvme/host/n.ko")
    }
    repository.add(f"linux-image-{KERNEL}", modules)
    files, said = built(repository, tmp_path)
    parts = {one["Package"]: one for one in udebs.stanzas(files[f"{PLACE}/Packages"].decode())}
    assert "ext4-modules" in udebs.names(parts[f"disk-modules-{KERNEL}-di"]["Provides"])
    assert parts["e2fsprogs-udeb"]["Depends"] == "libc6-udeb"
    made = contents(files[f"{PLACE}/{parts[f'disk-modules-{KERNEL}-di']['Filename']}"], tmp_path)
    assert "fs/ext4/ext4.ko.xz" in made
    assert "nvme" in made
    assert "gpu" not in made
    made = contents(files[f"{PLACE}/{parts['e2fsprogs-udeb']['Filename']}"], tmp_path)
    assert "sbin/mke2fs" in made
    assert "etc/mke2fs.conf" in made
    assert "doc" not in made
    assert any("making e2fsprogs-udeb, which the mirror does not have" in line for line in said)


@needs_apt
@pytest.mark.parametrize(
    ("lacking", "words"), [("finish-install", "parts of the installer that its list names: e2fsprogs-udeb"), ("image", "linux-image")]
)
def test_without_either_nothing_is_built(repository: Repository, tmp_path: Path, lacking: str, words: str) -> None:
    with_modules(repository, there=False)
    recipe = RECIPE
    if lacking == "image":
        repository.add("e2fsprogs-udeb", udeb=True)
    else:
        repository.add("e2fsprogs-udeb", udeb=True, there=False)
        recipe = Recipe(**{**{name: getattr(RECIPE, name) for name in RECIPE.__struct_fields__}, "instead": {}})
    (tmp_path / "out").mkdir()
    with pytest.raises(BuildError, match=words):
        make(recipe, NODE, repository.apt(tmp_path / "apt"), tmp_path / "out", lambda _text: None)


def test_the_shipped_installers_name_the_same_parts() -> None:
    recipes = [read_recipe(shipped_folder("images") / f"debian-{version}-installer") for version in (12, 13)]
    assert recipes[0].parts == recipes[1].parts
    for recipe in recipes:
        assert {"finish-install", "grub-installer", "partman-auto", "partman-ext3"} <= set(recipe.parts)


def test_the_installer_asks_its_retriever_as_it_asks_a_mirror_s(tmp_path: Path) -> None:
    (tmp_path / "udebs").mkdir()
    (tmp_path / "udebs/Packages").write_text("the index")
    (tmp_path / "udebs/a_1_all.udeb").write_text("a part")

    def run(*words: str) -> int:
        environment = {"CROWBAR_UDEBS": str(tmp_path / "udebs"), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["sh", str(NODE / "retriever"), *words], env=environment, check=False, timeout=60, capture_output=True
        ).returncode

    assert run("packages", str(tmp_path / "index")) == 0
    assert (tmp_path / "index").read_text() == "the index"
    assert run("retrieve", "pool/a_1_all.udeb", str(tmp_path / "a")) == 0
    assert (tmp_path / "a").read_text() == "a part"
    assert run("retrieve", "b.udeb", str(tmp_path / "b")) != 0
    assert (run("config"), run("error", "x")) == (1, 2)
