"""Packages of earlier builds, kept so that the next build downloads only new ones, or works without a network.

One folder of .deb files per image and variant. `index` turns it into a repository for apt (deb(5), "flat"): the index has each package's
control fields from dpkg-deb, file name, size and SHA-256. It has no signature: apt checked the files when they were downloaded.

Trap: mmdebstrap takes what apt's cache has for packages that need no installing. So for a build without a network the folder is a
repository, and not the cache too.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .errors import BuildError

INDEX, RELEASE = "Packages", "Release"


def index(cache: Path, suite: str) -> str:
    """Writes the index, and returns the line of sources.list for it. Raises BuildError where nothing was kept.

    mmdebstrap takes only what is of the release that it makes for essential, so a Release file says that this is it.
    """
    stanzas = []
    for package in sorted(cache.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "-f", str(package)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise BuildError(f"{package} is not a complete package; delete it and build with network access")
        body = package.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        stanzas.append(f"{done.stdout.strip()}\nFilename: ./{package.name}\nSize: {len(body)}\nSHA256: {digest}\n")
    if not stanzas:
        raise BuildError(f"{cache} has no kept packages: build once with network access")
    text = "\n".join(stanzas).encode("utf-8")
    (cache / INDEX).write_bytes(text)
    release = f"Suite: {suite}\nCodename: {suite}\nSHA256:\n {hashlib.sha256(text).hexdigest()} {len(text)} {INDEX}\n"
    (cache / RELEASE).write_text(release, encoding="ascii")
    return f"deb [trusted=yes] copy:{cache.absolute()} ./"


def prune(cache: Path, packages: Iterable[tuple[str, str, str]]) -> None:
    """Deletes files of packages that are not in the list (name, version, architecture)."""
    wanted = {f"{name}_{version.replace(':', '%3a')}_{arch}.deb" for name, version, arch in packages}
    for package in cache.glob("*.deb"):
        if package.name not in wanted:
            package.unlink(missing_ok=True)
