"""Makes a file system of the entries of an image. os-install writes it to a partition as it is, so that no file is made on the node.

mke2fs fills the file system from a folder, so the tree is unpacked first, with its own users: as root, or in a user namespace with 65536
ids (see `able`). What differs from disk to disk is made on the node, where it takes no time: UUID, size, journal.

Rules
* The features are named one by one: GRUB 2.06 cannot read some that newer releases of mke2fs choose (metadata_csum_seed, orphan_file).
* The file system can grow to 8 TiB without moving a block. Beyond that resize2fs changes to meta_bg.
* The size is an estimate, near the least that is possible, because each block is written. Where it was too little, there is another try.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from .able import search_path
from .archives import write_tar
from .errors import BuildError
from .tree import Entry

BLOCK = 4096
"""Octets."""
INODE = 256
"""Octets."""
RATIO = 16384
"""Octets of the file system for each of its inodes: what mke2fs takes for a disk."""
GROUP = 32768
"""Blocks of a group."""
DESCRIPTORS = 1024
"""Blocks for the descriptors of the groups of 8 TiB, and for each copy of them (a descriptor has 64 octets)."""
FEATURES = (
    "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,huge_file,large_file,"
    "metadata_csum,resize_inode,sparse_super,64bit"
)
UUID = "00000000-0000-4000-8000-000000000000"
"""Until the node makes its own. It also seeds the hashes of folders."""
_TRIES = 6
_FULL = "Could not allocate"


class Size:
    """Counts the blocks of the entries that pass."""

    def __init__(self) -> None:
        self.blocks = 0
        self.inodes = 16
        """ext4 takes 11 for itself."""

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for info, body in entries:
            if not info.islnk():
                # A symbolic link of fewer than 60 octets is in its inode. Attributes may have a block of their own.
                octets = len(info.linkname) if info.issym() and len(info.linkname) >= 60 else len(body)
                self.blocks += -(-octets // BLOCK) + info.isdir() + bool(info.pax_headers)
                self.inodes += 1
            yield info, body

    def needed(self, attempt: int) -> int:
        """Blocks of the file system: more at each attempt, from 0."""
        inodes = self.inodes + self.inodes // 8
        filled = int((self.blocks + inodes * INODE // BLOCK) * (1.02 + 0.05 * attempt))
        groups = -(-filled // GROUP) + 1
        # The groups 0, 1 and the powers of 3, 5 and 7 have a copy (sparse_super).
        copies = 2 + sum(int(base**power) < groups for base in (3, 5, 7) for power in range(1, 20))
        return max(filled + copies * DESCRIPTORS + 1024, inodes * RATIO // BLOCK)


@contextmanager
def file_system(entries: Iterable[Entry]) -> Iterator[Path]:
    """The file with the file system, in a folder in $TMPDIR that goes afterwards. Raises BuildError and OSError."""
    with tempfile.TemporaryDirectory(prefix="crowbar-image-") as work:
        tree, made, size = Path(work, "root"), Path(work, "root.ext4"), Size()
        tree.mkdir(mode=0o755)
        tree.chmod(0o755)
        try:
            _unpack(size.watch(entries), tree)
            _fill(tree, made, size)
            yield made
        finally:
            # Its files belong to other users, and folders without write permission are among them.
            subprocess.run([*_as_root(), "rm", "-rf", str(tree)], stdin=subprocess.DEVNULL, check=False)


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-auto", "--map-root-user"]


def _unpack(entries: Iterable[Entry], tree: Path) -> None:
    words = ["tar", "-x", "-p", "--numeric-owner", "--same-owner", "--xattrs", "--xattrs-include=*", "--warning=no-timestamp"]
    words += ["-C", str(tree)]
    tar = subprocess.Popen([*_as_root(), *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"})
    assert tar.stdin is not None
    assert tar.stderr is not None
    pipe = cast(BinaryIO, tar.stdin)
    broken = False
    try:
        try:
            write_tar(entries, pipe)
            pipe.close()
        except BrokenPipeError:
            broken = True
        said = tar.stderr.read().decode("utf-8", "replace")
    except BaseException:
        tar.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            pipe.close()
        tar.stderr.close()
        code = tar.wait()
    if code != 0 or broken:
        raise BuildError(f"the tree cannot be unpacked in {tree.parent.parent}: {_last(said)}")


def _fill(tree: Path, made: Path, size: Size) -> None:
    said = ""
    for attempt in range(_TRIES):
        made.unlink(missing_ok=True)
        words = ["mke2fs", "-q", "-F", "-b", str(BLOCK), "-I", str(INODE), "-i", str(RATIO), "-m", "5", "-O", FEATURES]
        words += ["-E", f"hash_seed={UUID},lazy_itable_init=1,resize={DESCRIPTORS * GROUP * BLOCK // 64}", "-U", UUID, "-L", "root"]
        words += ["-d", str(tree), str(made), str(size.needed(attempt))]
        done = subprocess.run(
            [*_as_root(), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "PATH": search_path(), "LC_ALL": "C", "MKE2FS_CONFIG": "/dev/null"},
        )
        said = done.stderr
        if done.returncode == 0:
            return
        if _FULL not in said:
            break
    raise BuildError(f"no file system can be made of the tree: {_last(said)}")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason was given"
