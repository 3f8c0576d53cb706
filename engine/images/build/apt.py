"""Fetches Debian packages with apt, with separate lists and a separate cache. This machine's apt configuration applies (proxies,
certificates), but not its packages and sources. apt checks the lists by their signature, and each file by the lists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from .bootstrap import why
from .errors import BuildError

FETCH_S = 1800.0
_FILE = re.compile(r"([^_]+)_([^_]+)_[^_]+\.u?deb")


class Apt:
    """Packages of the sources (lines of sources.list) for one architecture (Debian's name), kept below `folder`. `offline`: use only
    what is kept there."""

    def __init__(self, folder: Path, sources: Sequence[str], arch: str, offline: bool = False) -> None:
        self._folder = folder.absolute()
        self._offline = offline
        self.packages = self._folder / "packages"
        for place in ("lists/partial", "cache/archives/partial", "packages"):
            (self._folder / place).mkdir(parents=True, exist_ok=True)
        (self._folder / "sources.list").write_text("\n".join(sources) + "\n", encoding="utf-8")
        at = self._folder
        settings = {
            "Dir::Etc::sourcelist": at / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": at / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": at / "cache",
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "false",
            "Acquire::Retries": "3",
        }
        self._words = ["apt-get", "-q", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]

    def update(self) -> None:
        """Downloads the mirrors' lists. Raises BuildError."""
        if self._offline:
            return
        done = self._run(["update", "--error-on=any"], self._folder)
        if done.returncode != 0:
            raise BuildError(why(done.stderr.splitlines()))

    def lists(self, component: str) -> str:
        """The lists of packages of a component (`main/debian-installer`), from all sources. Raises BuildError if there is none."""
        ending = f"_{component.replace('/', '_')}_binary-"
        files = [file for file in sorted((self._folder / "lists").glob("*_Packages")) if ending in file.name]
        if not files:
            raise BuildError(f"the mirror has no packages in {component}")
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)

    def fetch(self, names: Sequence[str]) -> str:
        """Downloads the newest version of these packages into `packages`, without those that it already has. Returns apt's error
        text. Empty: no error."""
        if self._offline:
            lacking = [name for name in names if self.file(name) is None]
            return f"E: {', '.join(lacking)}: no kept copy: build once with network access" if lacking else ""
        done = self._run(["download", *names], self.packages)
        return "" if done.returncode == 0 else done.stderr

    def file(self, name: str, version: str = "") -> Path | None:
        """The file of a downloaded package, of this version or the newest."""
        wanted = (version.replace(":", "%3a"), version.partition(":")[2] or version)
        found = [
            file
            for file in self.packages.iterdir()
            if (match := _FILE.fullmatch(file.name)) and match[1] == name and (not version or match[2] in wanted)
        ]
        return max(found, key=lambda file: file.stat().st_mtime_ns) if found else None

    def keep(self, files: Iterable[Path]) -> None:
        """Deletes all packages except these."""
        kept = set(files)
        for file in self.packages.iterdir():
            if file not in kept:
                file.unlink()

    def _run(self, words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._words, *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=FETCH_S,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
        except FileNotFoundError as missing:
            raise BuildError("this machine has no apt-get") from missing
        except subprocess.TimeoutExpired as late:
            raise BuildError(f"the mirror is too slow: apt-get {words[0]} took more than {FETCH_S / 60:.0f} minutes") from late
