"""Resolves packages with the real apt in a private root: it downloads the lists, checks their signatures, and downloads the packages with
all that they need. The root has no package installed, so the result is complete on every node of that system.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import BundleError

FETCH_S = 3600.0
_FOLDERS = (
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/apt/trusted.gpg.d",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/lib/dpkg",
    "var/log/apt",
)


class PrivateApt:
    """apt below `root`, for one architecture (Debian's name). `sources`: URL, suites, components. `keys`: file with the keys that sign
    the lists."""

    def __init__(self, root: Path, sources: Sequence[tuple[str, Sequence[str], str]], keys: Path, arch: str) -> None:
        for place in _FOLDERS:
            (root / place).mkdir(parents=True, exist_ok=True)
        (root / "var/lib/dpkg/status").write_text("", encoding="ascii")
        stanzas = [
            f"Types: deb\nURIs: {url}\nSuites: {' '.join(suites)}\nComponents: {components}\nSigned-By: {keys}\nCheck-Valid-Until: no\n"
            for url, suites, components in sources
        ]
        (root / "etc/apt/sources.list.d/bundle.sources").write_text("\n".join(stanzas), encoding="utf-8")
        settings = {
            "Dir": root,
            "Dir::State::status": root / "var/lib/dpkg/status",
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "en",
            "Acquire::http::Proxy": "DIRECT",
            "Acquire::Retries": "0",
        }
        self._words = ["apt-get", "-q", "-y", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]

    def fetch(self, names: Sequence[str]) -> None:
        """Downloads the lists, and these packages with what they need. Raises BundleError with apt's first complaint."""
        self._run("update", "--error-on=any")
        if names:
            self._run("install", "--download-only", "--no-install-recommends", *names)

    def _run(self, *words: str) -> None:
        try:
            done = subprocess.run(
                [*self._words, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=FETCH_S,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            )
        except FileNotFoundError as missing:
            raise BundleError("this machine has no apt-get, which resolves the packages: make the bundle on a Debian machine") from missing
        except subprocess.TimeoutExpired as late:
            raise BundleError(f"the mirrors are too slow: apt-get {words[0]} took more than {FETCH_S / 60:.0f} minutes") from late
        if done.returncode != 0:
            complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))] or done.stderr.splitlines()[-1:]
            raise BundleError(f"apt-get {words[0]} failed: {(complaints or ['it says nothing'])[0][:300]}")
