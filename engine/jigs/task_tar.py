"""The tar of one task, in the form that `attempt start` and the agent take: the role's scripts, `attributes.json` and `task.json`.

* The entry is always `run`. For a verify, `run` holds the role's file `verify`, so that the node knows only one entry. The other files
  keep their names.
* A jig whose tool runs on the node brings a `run` of its own (`node_tools`). Its `verify` is the role's file, if the jig has one.
* For a run of a role that needs packages, `run` is `images/node/packages`. It installs what `packages.list` names and the node lacks, and
  then becomes the role's own script or the jig's, which is in `role-run`.
* The same order gives the same bytes: sorted entries, owner root, time 0. `attributes.json` is the last one: a node that has it has them
  all. No owner or time of this machine leaves it.
* Only plain files and folders inside the role's folder travel. A link that leads out of it, a device or a socket is refused: a barclamp
  must not be a way to send the engine's files to a node.
* MAX_FILES and MAX_BYTES limit it, because a thousand nodes fetch tasks at once. Images go by HTTP.

Raises TaskTarError with a sentence.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from ..definitions import Json
from .node_tools import MAX_RUN_LIST, NOT_HERE, RUN_LIST, RUNNERS, TOOLS
from .order import Order

MAX_FILES = 500
MAX_BYTES = 8 * 1024 * 1024
PACKAGES = "packages"
"""The tool that installs the packages of a role."""
LIST, ROLE_RUN = "packages.list", "role-run"
"""Its list (lines of FAMILY NAME), and the role's script, which it becomes."""
MADE = frozenset({"attributes.json", "task.json", LIST, ROLE_RUN})
IGNORED = frozenset({"__pycache__", ".git", "rehearsal.py"})
_END = 2 * tarfile.BLOCKSIZE
"""Octets of zeros that end a tar."""


class TaskTarError(Exception):
    """The task of a role cannot be packed. The text says why."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`task.json`."""

    role: str
    barclamp: str
    action: str
    attempt: str


def task_tar(order: Order) -> bytes:
    """The tar for this order. Reads the role's folder and nothing else."""
    files = role_files(Path(order.folder)) if order.folder else {}
    made = _added(order, files)
    action = order.start.action
    if "run" not in made:
        if action not in files:
            raise TaskTarError(f"role {order.role.name} has no file {action!r} in {order.folder or 'its barclamp'}")
        files["run"] = files[action]
    for tool in order.role.tools:
        for part in tool_files(TOOLS / tool):
            if part.name in files:
                raise TaskTarError(f"{order.folder}/{part.name} has the name of a tool that travels with the role")
            files[part.name] = (part, 0o755)
    if action == "run" and order.role.installs_packages:
        if "run" in made:
            made[ROLE_RUN] = made.pop("run")
        else:
            files[ROLE_RUN] = files["run"]
        files["run"] = (TOOLS / PACKAGES, 0o755)
        made[LIST] = "".join(f"{family} {name}\n" for family, names in order.role.packages.items() for name in names).encode("ascii")
    task = Task(
        role=order.role.name,
        barclamp=order.barclamp or order.role.barclamp,
        action=order.start.action,
        attempt=order.attempt,
    )
    out = [*entry("task.json", msgspec.json.encode(task), 0o600)]
    for name in sorted(files.keys() | made):
        if name in made:
            out += entry(name, made[name], _mode(name, 0o600))
            continue
        path, mode = files[name]
        with open(path, "rb") as file:
            out += entry(name, file.read(), _mode(name, 0o755 if mode & 0o100 else 0o644))
    return closed(out, order.attributes)


def tool_files(tool: Path) -> list[Path]:
    """A tool is one file, or a folder of files."""
    return sorted(path for path in tool.iterdir() if path.is_file()) if tool.is_dir() else [tool]


def _mode(name: str, other: int) -> int:
    return 0o755 if name in ("run", ROLE_RUN) else other


def closed(parts: list[bytes], attributes: Mapping[str, Json]) -> bytes:
    """The tar of these entries, with the attributes and its end."""
    parts = [*parts, *entry("attributes.json", msgspec.json.encode(attributes, order="deterministic"), 0o600)]
    size = sum(map(len, parts))
    return b"".join([*parts, bytes(-(size + _END) % tarfile.RECORDSIZE + _END)])


def _added(order: Order, files: dict[str, tuple[str | Path, int]]) -> dict[str, bytes]:
    """What the jig's tool needs beside the role's own files."""
    make, kind = RUNNERS.get(order.role.jig), order.role.jig_kind
    if make is None:
        return {} if "run" in kind.files else {"run": NOT_HERE}
    if order.start.action == "verify" and kind.checks:
        return {}
    run_list = ""
    if RUN_LIST in files:
        with open(files[RUN_LIST][0], encoding="utf-8", errors="replace") as file:
            run_list = file.read(MAX_RUN_LIST)
    added = make(order.role.name, order.attributes, run_list)
    for name in added.keys() & files.keys():
        raise TaskTarError(f"{order.folder}/{name} has the name of a file that the engine makes")
    return added


def role_files(folder: Path) -> dict[str, tuple[str | Path, int]]:
    """Name in the tar -> file and its mode."""
    try:
        root = folder.resolve(strict=True)
    except OSError as error:
        raise TaskTarError(f"cannot read the role's folder {folder}: {error.strerror}") from None
    found: dict[str, tuple[str | Path, int]] = {}
    size = 0
    for here, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in IGNORED)
        within = os.path.relpath(here, root) if here != str(root) else ""
        for name in [*names, *(f for f in folders if os.path.islink(os.path.join(here, f)))]:
            if name in IGNORED or name.endswith(".pyc"):
                continue
            path, inside = os.path.join(here, name), os.path.join(within, name)
            real, about = _real(path, root)
            if stat.S_ISDIR(about.st_mode):
                raise TaskTarError(f"{path} is a link to a folder: put the files there")
            if not stat.S_ISREG(about.st_mode):
                raise TaskTarError(f"{path} is not a plain file")
            if inside in MADE:
                raise TaskTarError(f"{path} has the name of a file that the engine makes")
            size += about.st_size
            found[inside] = (real, about.st_mode)
            if size > MAX_BYTES or len(found) > MAX_FILES:
                raise TaskTarError(f"the files of {folder} are more than {MAX_FILES} or larger than {MAX_BYTES} bytes together")
    return found


def _real(path: str, root: Path) -> tuple[str | Path, os.stat_result]:
    """What is at that path, which is inside `root` without any link before its last name; and where."""
    about = os.lstat(path)
    if not stat.S_ISLNK(about.st_mode):
        return path, about
    real = Path(path).resolve()
    if not real.is_relative_to(root):
        raise TaskTarError(f"{path} leads out of the role's folder")
    return real, real.stat()


def entry(name: str, data: bytes, mode: int) -> tuple[bytes, bytes, bytes]:
    """Header, content and padding."""
    return _head(name, len(data), mode), data, bytes(-len(data) % tarfile.BLOCKSIZE)


@lru_cache(4096)
def _head(name: str, size: int, mode: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry.tobuf(tarfile.PAX_FORMAT)
