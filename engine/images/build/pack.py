"""Packs the entries of an image into a compressed file: a cpio archive for Linux, the file system of a disk (`blocks`), or a tar of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from .archives import Entries, write_cpio, write_tar
from .blocks import file_system
from .errors import BuildError


def pack(form: str, entries: Entries, out: Path, level: int) -> int:
    """Writes an image's file with zstd at `level`; its unpacked size in octets. Raises BuildError and OSError."""
    if form == "ext4":
        with file_system(entries) as made, made.open("rb") as blocks:
            size = made.stat().st_size
            _compress(lambda pipe: shutil.copyfileobj(blocks, pipe, 1 << 20), out, level)
        return size
    octets = 0

    def write(pipe: BinaryIO) -> None:
        nonlocal octets
        octets = write_cpio(entries, pipe) if form == "initramfs" else write_tar(entries, pipe)

    _compress(write, out, level)
    return octets


def _compress(write: Callable[[BinaryIO], None], out: Path, level: int) -> None:
    with out.open("xb") as stream:
        zstd = subprocess.Popen(["zstd", "-q", "-c", "-T0", f"-{level}"], stdin=subprocess.PIPE, stdout=stream)
        assert zstd.stdin is not None
        pipe = cast(BinaryIO, zstd.stdin)
        try:
            write(pipe)
            pipe.close()
        except BrokenPipeError as error:
            raise BuildError("zstd ended before all was written, most likely for want of disk space") from error
        except BaseException:
            zstd.kill()
            raise
        finally:
            code = zstd.wait()
    if code != 0:
        raise BuildError(f"zstd failed with exit code {code}")
