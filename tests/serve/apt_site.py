"""A small Debian mirror with a key of its own, made in a folder, and machines that are folders, on which the real apt and dpkg work.

Needs apt-get, dpkg-deb and gpg.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Mapping
from email.utils import formatdate
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOOLS = ("apt-get", "dpkg-deb", "dpkg-query", "gpg")
MISSING = [name for name in TOOLS if shutil.which(name) is None]
NODE = Path(__file__).resolve().parents[2] / "images" / "node"
SUITE = "bookworm"


class AptSite:
    """The mirror: `folder/debian`, as `http://127.0.0.1:PORT/debian`. `packages`: name -> names that it depends on."""

    def __init__(self, folder: Path, packages: Mapping[str, str]) -> None:
        self.folder = folder / "debian"
        self.home = folder / "gpg"
        self.home.mkdir(mode=0o700, parents=True)
        self.keys = folder / "keys.gpg"
        self._gpg("--passphrase", "", "--quick-gen-key", "Test", "ed25519", "sign", "never")
        self.keys.write_bytes(self._gpg("--export"))
        for name, needs in packages.items():
            self._package(folder / "make", name, needs)
        self.sign()
        self.asked: list[str] = []
        self.server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/debian"

    def start(self) -> None:
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                site.asked.append(self.path)

        made = functools.partial(Handler, directory=str(self.folder.parent))
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), made)
        self.port = self.server.server_address[1]
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """The outside is gone."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def sign(self) -> None:
        """Writes the lists, and signs them."""
        dists = self.folder / "dists" / SUITE
        lists = dists / "main" / "binary-amd64"
        lists.mkdir(parents=True, exist_ok=True)
        text = "".join(self._entry(deb) for deb in sorted(self.folder.glob("pool/**/*.deb"))).encode()
        files = {"main/binary-amd64/Packages": text, "main/binary-amd64/Packages.gz": gzip.compress(text, mtime=0)}
        for name, data in files.items():
            (dists / name).write_bytes(data)
        sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in files.items())
        release = (
            f"Origin: Test\nLabel: Test\nSuite: stable\nCodename: {SUITE}\nDate: {formatdate(1.7e9, usegmt=True)}\n"
            f"Architectures: amd64\nComponents: main\nSHA256:\n{sums}"
        )
        (dists / "Release").write_text(release)
        (dists / "InRelease").unlink(missing_ok=True)
        self._gpg("--clearsign", "-o", str(dists / "InRelease"), str(dists / "Release"))

    def _entry(self, deb: Path) -> str:
        fields = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
        data = deb.read_bytes()
        return f"{fields}Filename: {deb.relative_to(self.folder)}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"

    def _package(self, make: Path, name: str, needs: str) -> None:
        tree = make / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share/site").mkdir(parents=True)
        (tree / "usr/share/site" / name).write_text(f"{name}\n")
        depends = f"Depends: {needs}\n" if needs else ""
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.net>\n{depends}Description: {name}\n"
        )
        place = self.folder / "pool/main" / name[0] / name
        place.mkdir(parents=True)
        command = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(place / f"{name}_1.0_all.deb")]
        subprocess.run(command, capture_output=True, check=True)

    def _gpg(self, *words: str) -> bytes:
        command = ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback", "--homedir", str(self.home), *words]
        return subprocess.run(command, capture_output=True, check=True).stdout


class AptNode:
    """A machine that is a folder, whose apt asks `url`, and trusts `keys`."""

    def __init__(self, folder: Path, url: str, keys: Path) -> None:
        self.root = folder / "root"
        for place in (
            "etc/apt/sources.list.d",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/log/apt",
        ):
            (self.root / place).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").write_text("")
        (self.root / "var/lib/dpkg/available").write_text("")
        (self.root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
        source = f"Types: deb\nURIs: {url}\nSuites: {SUITE}\nComponents: main\nSigned-By: {keys}\n"
        (self.root / "etc/apt/sources.list.d/crowbar.sources").write_text(source)
        self.task = folder / "task"
        self.task.mkdir()
        (self.task / "run").symlink_to(NODE / "packages")
        role = self.task / "role-run"
        role.write_text('#!/bin/sh\necho "the role runs"\nexit 64\n')
        role.chmod(0o755)

    def install(self, *names: str) -> subprocess.CompletedProcess[str]:
        """A task of a role that needs these packages."""
        (self.task / "packages.list").write_text("".join(f"debian {name}\n" for name in names) + "redhat not-this-one\n")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CROWBAR_ROOT": str(self.root), "TMPDIR": str(self.task)}
        return subprocess.run(
            ["./run"], cwd=self.task, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
        )

    def has(self, name: str) -> bool:
        return (self.root / "usr/share/site" / name).exists()
