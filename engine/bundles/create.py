"""Makes a bundle: collects its parts, lists them, signs the list, and writes all into one file that appears complete or not at all."""

from __future__ import annotations

import io
import os
import secrets
import tempfile
from pathlib import Path
from typing import IO

from ..definitions import versions
from ..store.file import sync
from ..trust.bundle_key import BundleKey
from .contents import Tell, Wish, collect, sums
from .manifest import FORMAT, Manifest, Part, check
from .tape import Moved, write


def create(wish: Wish, key: BundleKey, file: Path, tell: Tell, moved: Moved = lambda _done, _all: None) -> Manifest:
    """Writes the bundle to `file`. Raises BundleError and OSError; then `file` is as it was."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with tempfile.TemporaryDirectory(prefix="crowbar-bundle-") as work:
        found, systems, left_out = collect(wish, Path(work), tell)
        manifest = Manifest(
            format=FORMAT,
            program=wish.version,
            site=wish.plan.site.name,
            systems=tuple(systems),
            barclamps=versions(wish.catalog),
            left_out=tuple(left_out),
            parts=tuple(Part(name=name, size=size, sha256=digest) for name, size, digest in sums(found)),
        )
        check(manifest)

        def opened(part: Part) -> IO[bytes]:
            content = found[part.name]
            return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

        tell(f"writing {len(manifest.parts)} parts, {manifest.octets:,} bytes")
        try:
            with fresh.open("xb") as out:
                write(out, manifest, key, opened, moved)
                out.flush()
                os.fsync(out.fileno())
            os.replace(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
        sync(file.absolute().parent)
    return manifest
