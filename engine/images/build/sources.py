"""The mirrors for a build: those that this machine itself uses for the same release, or else Debian's own.

Reads /etc/apt/sources.list and sources.list.d, in both of apt's formats (sources.list(5)). Only entries of the release itself, its
updates and its security updates count, not the machine's other repositories.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

APT = Path("/etc/apt")
_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)")
_WANTED_OPTIONS = ("signed-by", "trusted", "check-valid-until")
_MAIN = "main"


def suites(suite: str) -> tuple[str, ...]:
    """A release, its updates and its security updates."""
    return suite, f"{suite}-updates", f"{suite}-security"


def default_sources(suite: str, components: Iterable[str]) -> list[str]:
    """Debian's own mirrors, as lines of sources.list."""
    parts = " ".join(components)
    return [
        f"deb http://deb.debian.org/debian {suite} {parts}",
        f"deb http://deb.debian.org/debian {suite}-updates {parts}",
        f"deb http://security.debian.org/debian-security {suite}-security {parts}",
    ]


def mirror_sources(mirror: str, suite: str, components: Iterable[str]) -> list[str]:
    """One mirror (a URL), with only the release itself, because a private mirror may have no more."""
    return [f"deb {mirror} {suite} {' '.join(components)}"]


def host_sources(suite: str, components: Iterable[str], apt: Path = APT) -> list[str]:
    """Lines of sources.list for this release from this machine's own sources. Empty if it has none with `main`."""
    parts = " ".join(components)
    found: dict[str, None] = {}
    for options, url, name, known in _entries(apt):
        if name in suites(suite) and _MAIN in known and url.split(":")[0] in ("http", "https", "file", "copy", "mirror+file"):
            kept = " ".join(f"{key}={value}" for key, value in options.items() if key in _WANTED_OPTIONS)
            found[f"deb {f'[{kept}] ' if kept else ''}{url} {name} {parts}"] = None
    return list(found) if any(f" {suite} " in line for line in found) else []


def _entries(apt: Path) -> Iterable[tuple[dict[str, str], str, str, list[str]]]:
    """(options, URL, suite, components) of each enabled entry."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # apt cannot read this either
        if file.suffix == ".list":
            for line in text.splitlines():
                if match := _LINE.fullmatch(line.split("#")[0].strip()):
                    options = dict(word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
                    yield {key.lower(): value for key, value in options.items()}, match[2].rstrip("/"), match[3], match[4].split()
        elif file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                yield from _stanza(stanza)


def _stanza(text: str) -> Iterable[tuple[dict[str, str], str, str, list[str]]]:
    keys: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and last:
            keys[last] += "\n" + line.strip()
        elif ":" in line:
            last, value = line.split(":", 1)
            last = last.strip().lower()
            keys[last] = value.strip()
    if "deb" not in keys.get("types", "").split() or keys.get("enabled", "yes").lower() in ("no", "false", "0"):
        return
    # a key within the file itself is left to apt's trusted keys
    options = {key: keys[key] for key in _WANTED_OPTIONS if key in keys and "\n" not in keys[key]}
    for url in keys.get("uris", "").split():
        for suite in keys.get("suites", "").split():
            yield options, url.rstrip("/"), suite, keys.get("components", "").split()
