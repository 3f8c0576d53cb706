"""A tree as a file system: what is in it, how large it is, and what cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.images.build import blocks
from engine.images.build.blocks import BLOCK, GROUP, Size, file_system
from engine.images.build.errors import BuildError
from engine.images.build.tree import Entry

EPOCH = 1_700_000_000
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"

pytestmark = pytest.mark.skipif(shutil.which("mke2fs", path=SBIN) is None, reason="not installed: mke2fs (Debian: e2fsprogs)")


def entry(name: str, body: bytes = b"", **more: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.mtime, info.mode, info.size = EPOCH, 0o644, len(body)
    for key, value in more.items():
        setattr(info, key, value)
    return info, body


def folder(name: str, **more: object) -> Entry:
    return entry(name, **{"type": tarfile.DIRTYPE, "mode": 0o755, **more})


TREE = [
    folder("etc"),
    entry("etc/shadow", b"root:*\n", mode=0o640, uid=0, gid=42),
    folder("home"),
    folder("home/ops", uid=1000, gid=1000),
    entry("home/ops/full", b"x" * 100_000, uid=1000, gid=1000),
    entry("home/ops/again", type=tarfile.LNKTYPE, linkname="home/ops/full"),
    entry("bin", type=tarfile.SYMTYPE, linkname="usr/bin"),
    entry("long", type=tarfile.SYMTYPE, linkname="a/" * 60),
    entry("ping", b"#!", mode=0o4755, pax_headers={"SCHILY.xattr.user.note": "kept"}),
    entry("ümlaut", b"u"),
]


def asks(image: Path, what: str) -> str:
    done = subprocess.run(["debugfs", "-R", what, str(image)], capture_output=True, text=True, check=True, env={**os.environ, "PATH": SBIN})
    return done.stdout


def header(image: Path) -> dict[str, str]:
    done = subprocess.run(["dumpe2fs", "-h", str(image)], capture_output=True, text=True, check=True, env={**os.environ, "PATH": SBIN})
    return {key: value.strip() for key, _, value in (line.partition(":") for line in done.stdout.splitlines())}


def clean(image: Path) -> bool:
    done = subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, check=False, env={**os.environ, "PATH": SBIN})
    return done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="files of other users need root")
def test_users_modes_links_and_attributes_are_kept() -> None:
    with file_system(TREE) as made:
        assert clean(made)
        shadow = asks(made, "stat /etc/shadow")
        assert "Mode:  0640" in shadow
        assert "Group:    42" in shadow
        assert "mtime: 0x6553f100" in shadow, "the tree's time"
        full = asks(made, "stat /home/ops/full")
        assert "User:  1000" in full
        assert "Links: 2" in full, "a hard link"
        assert "usr/bin" in asks(made, "stat /bin")
        assert "Mode:  04755" in asks(made, "stat /ping")
        assert '"kept"' in asks(made, "ea_get -V /ping user.note") or "kept" in asks(made, "ea_get /ping user.note")
        assert "Mode:  0755" in asks(made, "stat /"), "the top can be entered by all"
        assert asks(made, "cat /ümlaut") == "u"


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks.tempfile, "tempdir", str(tmp_path))
    with file_system([*TREE[:1], folder("closed", mode=0o500), entry("closed/in", b"x")]) as made:
        assert made.parent.parent == tmp_path
    assert not list(tmp_path.iterdir())

    def breaks() -> Iterator[Entry]:
        yield TREE[0]
        raise tarfile.ReadError("unexpected end of data")

    with pytest.raises(tarfile.ReadError), file_system(breaks()):
        pass
    assert not list(tmp_path.iterdir())


def test_it_can_grow_to_8_tib_and_grub_can_read_it() -> None:
    with file_system(TREE) as made:
        found = header(made)
    assert found["Reserved GDT blocks"] == "1023"
    assert found["Filesystem state"] == "clean"
    features = set(found["Filesystem features"].split())
    assert "has_journal" not in features, "the node makes it"
    assert not {"metadata_csum_seed", "orphan_file"} & features


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 300_000), max_size=60), st.integers(0, 40), st.integers(0, 3))
def test_a_tree_of_any_shape_fits_and_little_is_left_over(sizes: list[int], folders: int, depth: int) -> None:
    tree = [folder(f"d{i}" + "/d" * d) for i in range(folders) for d in range(depth + 1)]
    tree += [entry(f"f{i}" + "x" * (size % 200), b"x" * size) for i, size in enumerate(sizes)]
    with file_system(tree) as made:
        found = header(made)
        blocks_free = int(found["Free blocks"])
    assert blocks_free * BLOCK < 12 << 20, found


def test_small_files_by_the_thousand_have_inodes() -> None:
    with file_system([folder("d"), *(entry(f"d/{i:05}") for i in range(9000))]) as made:
        assert clean(made)
        assert int(header(made)["Inode count"]) > 9000


def test_what_was_too_small_is_tried_with_more(monkeypatch: pytest.MonkeyPatch) -> None:
    right, seen = Size.needed, []

    def needed(self: Size, attempt: int) -> int:
        seen.append(attempt)
        return 6000 if attempt == 0 else right(self, attempt)

    monkeypatch.setattr(Size, "needed", needed)
    with file_system([entry("large", b"x" * (32 << 20))]) as made:
        assert clean(made)
    assert seen == [0, 1]


def test_a_tree_that_cannot_be_unpacked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError, match="the tree cannot be unpacked in .*: tar: .*"), file_system([entry("a", b"x"), entry("a/b", b"y")]):
        pass


def test_a_file_system_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "FEATURES", "none,no_such_feature")
    with pytest.raises(BuildError, match="no file system can be made of the tree: .*no_such_feature"), file_system(TREE[:1]):
        pass


def test_copies_of_descriptors_are_counted() -> None:
    size = Size()
    size.blocks = 20 * GROUP
    assert size.needed(0) > 20 * GROUP + 7 * blocks.DESCRIPTORS, "0, 1, 3, 5, 7, 9 and where it ends"
