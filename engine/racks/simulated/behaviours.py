"""What simulated machines can do: `rehearsal.py` of each barclamp, and tasks from their tar.

A role is looked up in its own barclamp, by its name, or else by the name that it begins with (`network-admin` is a `network`). Tars come
over the network: bounded, only plain files, no path that leaves the folder.
"""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import tarfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from .http_side import Server
from .machine import Behaviour, Fetcher, Pace, Task

MAX_TAR = 16 * 1024 * 1024
MAX_FILES = 1000


class BehaviourWrong(Exception):
    """a barclamp's rehearsal.py could not be loaded"""


class Behaviours:
    def __init__(self, roles: dict[str, dict[str, Behaviour]], servers: dict[str, Server]) -> None:
        """`roles`: barclamp -> role -> behaviour. `servers`: what a system may listen with (`http_side`), by name."""
        self._roles = roles
        self.servers = servers

    def find(self, barclamp: str, role: str) -> Behaviour | None:
        if barclamp:
            return _match(self._roles.get(barclamp, {}), role)
        for known in self._roles.values():
            if (found := _match(known, role)) is not None:
                return found
        return None

    @property
    def roles(self) -> list[str]:
        return sorted(role for known in self._roles.values() for role in known)


def _match(known: dict[str, Behaviour], role: str) -> Behaviour | None:
    while role:
        if role in known:
            return known[role]
        role = role.rpartition("-")[0]
    return None


def load(folders: Sequence[str] = ()) -> Behaviours:
    """Reads `rehearsal.py` of the given barclamps' folders, or of all shipped ones. Raises BehaviourWrong."""
    found = [Path(folder) for folder in folders]
    if not found:
        shipped = Path(str(files("barclamps")))
        found = sorted(path for path in shipped.iterdir() if path.is_dir())
    roles: dict[str, dict[str, Behaviour]] = {}
    servers: dict[str, Server] = {}
    for folder in found:
        path = folder / "rehearsal.py"
        if path.exists():
            roles[folder.name], more = _read(folder.name, path)
            servers |= more
    return Behaviours(roles, servers)


def _read(barclamp: str, path: Path) -> tuple[dict[str, Behaviour], dict[str, Server]]:
    name = f"crowbar_rehearsal_{barclamp.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BehaviourWrong(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        return dict(module.ROLES), dict(getattr(module, "SERVERS", {}))
    except Exception as wrong:
        raise BehaviourWrong(f"{path}: {type(wrong).__name__}: {wrong}") from wrong


def unpack(tar: bytes, id: str, pace: Pace, fetcher: Fetcher, environment: str) -> Task:
    """The task in a tar: attributes.json, task.json, other files. Raises ValueError with a sentence."""
    if len(tar) > MAX_TAR:
        raise ValueError(f"a task of over {MAX_TAR} octets")
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isdir():
                    continue
                if not member.isreg() or name.startswith("/") or ".." in name.split("/"):
                    raise ValueError(f"a task with something else than plain files in it: {name[:100]!r}")
                if len(found) >= MAX_FILES:
                    raise ValueError(f"a task of over {MAX_FILES} files")
                data = archive.extractfile(member)
                found[name] = data.read() if data is not None else b""
    except tarfile.TarError as wrong:
        raise ValueError(f"not a tar: {wrong}") from wrong
    about = _object(found.get("task.json", b"{}"), "task.json")
    return Task(
        id=id,
        role=str(about.get("role", "")),
        barclamp=str(about.get("barclamp", "")),
        action=str(about.get("action", "run")),
        attributes=_object(found.get("attributes.json", b"{}"), "attributes.json"),
        files=found,
        pace=pace,
        fetcher=fetcher,
        environment=environment,
    )


def _object(text: bytes, name: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError as wrong:
        raise ValueError(f"{name} is not JSON: {wrong}") from wrong
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found
