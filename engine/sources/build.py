"""Builds the wheels of a wish, or finds that they are built: revision -> commit -> key -> wheels.

Builds of the same key wait for each other, by a lock that ends with its process. So two wishes never build the same, and a killed build
leaves only a folder that the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from . import SourceError, apart, shelf
from .git import mirror
from .shelf import FORMAT, Kept, Manifest
from .wish import Build, Origin

BUILD_S = 5400.0
DAY_S = 86400.0
INSIDE = Path(__file__).with_name("inside.py")


class Inputs(Struct, frozen=True, kw_only=True):
    """All that decides what the wheels of a build are."""

    commit: str
    requirements: tuple[str, ...]
    constraints: str
    """SHA-256 of the file of constraints. Empty: there is none."""
    python: str
    machine: str
    recipe: int = 1
    """Number of the way in which this program builds."""

    @property
    def key(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class Resolved(Struct, frozen=True, kw_only=True):
    """A build whose revisions are known."""

    build: Build
    inputs: Inputs
    commits: dict[Origin, str]
    """Of the repository, and of that with the constraints."""
    limits: bytes = b""
    """The file of constraints."""
    note: str = ""
    """A sentence if a repository did not answer, and an earlier fetch counts."""


def resolve(sources: Path, build: Build, *, ask: bool = True) -> Resolved:
    """Finds the commits of a wish. `ask`: the repositories may be fetched. Raises SourceError and OSError."""
    named = build.wish.constraints
    with mirror(sources, build.wish) as one:
        commit, note = one.commit(ask=ask), one.note
    commits, limits = {Origin(repository=build.wish.repository, revision=build.wish.revision): commit}, b""
    if named is not None:
        with mirror(sources, named) as one:
            limited = one.commit(ask=ask)
            limits, note = one.file_of(limited, named.path), note or one.note
        commits[Origin(repository=named.repository, revision=named.revision)] = limited
    inputs = Inputs(
        commit=commit,
        requirements=tuple(sorted(build.requirements)),
        constraints=hashlib.sha256(limits).hexdigest() if limits else "",
        python=_python(build.python),
        machine=platform.machine(),
    )
    return Resolved(build=build, inputs=inputs, commits=commits, limits=limits, note=note)


def built(sources: Path, found: Resolved, hidden: Sequence[Path], output: int) -> Kept:
    """The wheels, which are built if they are not there. `output`: the file descriptor for what the build prints. Raises SourceError and
    OSError."""
    key = found.inputs.key
    with alone(sources, key):
        kept = shelf.find(sources, key)
        if kept is not None:
            os.utime(kept.folder)
            return kept
        _sweep(sources)
        apart.check(hidden, sources)
        work = Path(tempfile.mkdtemp(prefix=".work-", dir=sources))
        try:
            return _build(sources, found, hidden, work, output)
        finally:
            apart.remove(work)


@contextlib.contextmanager
def alone(sources: Path, key: str) -> Iterator[None]:
    """One process at a time builds a key."""
    sources.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (sources / f".lock-{key[:24]}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(sources: Path, found: Resolved, hidden: Sequence[Path], work: Path, output: int) -> Kept:
    build, inputs = found.build, found.inputs
    with (work / ".busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        with mirror(sources, build.wish) as one:
            one.check_out(inputs.commit, work / "src")
            committed = one.time_of(inputs.commit)
        if found.limits:
            (work / "constraints.txt").write_bytes(found.limits)
        shutil.copy(INSIDE, work / "inside.py")
        _lend(sources, work / "kept", inputs)
        more = {"SOURCE_DATE_EPOCH": str(max(committed, 315532800))}  # a zip knows no time before 1980
        more |= {"PIP_INDEX_URL": build.index} if build.index else {"PIP_NO_INDEX": "1"}
        words = [build.python, "inside.py", *build.requirements]
        code = apart.run(words, work, hidden, limit_s=BUILD_S, output=output, network=bool(build.index), more=more)
        name = f"{build.name} {build.wish.revision} ({inputs.commit[:12]})"
        if code == 71:
            raise SourceError("source_no_venv", f"{build.python} of the admin node has no venv or pip: apt install python3-venv")
        if code == -1:
            raise SourceError("source_build_failed", f"{name} took more than {BUILD_S / 60:.0f} minutes")
        if code != 0:
            raise SourceError("source_build_failed", name)
        project, version = shelf.own_wheel(work)
        manifest = Manifest(
            format=FORMAT,
            name=build.name,
            commit=inputs.commit,
            project=project,
            version=version,
            python=inputs.python,
            machine=inputs.machine,
            pure=False,
            files=(),
        )
        return shelf.put(sources, inputs.key, manifest, work)


def _lend(sources: Path, into: Path, inputs: Inputs) -> None:
    """The wheels of all kept builds for the same Python, so that a build without a connection finds what an earlier one fetched."""
    into.mkdir()
    for kept in shelf.all_kept(sources):
        if (kept.manifest.python, kept.manifest.machine) == (inputs.python, inputs.machine):
            own = kept.manifest.project
            for one in (*kept.manifest.files, *kept.manifest.build):
                place = into / one.name
                if not place.exists() and not one.name.startswith(f"{own}-"):
                    shutil.copy(kept.folder / one.name, place)


def _sweep(sources: Path) -> None:
    """Removes what killed builds left: work that nobody holds, and wheels that were not taken in a day."""
    for folder in sources.glob(".work-*"):
        try:
            with (folder / ".busy").open("r+") as busy:
                fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):
            continue  # it is being made
        apart.remove(folder)
    for folder in (*sources.glob(".new-*"), *sources.glob(".try-*")):
        with contextlib.suppress(FileNotFoundError):
            if folder.stat().st_mtime < time.time() - DAY_S:
                shutil.rmtree(folder, ignore_errors=True)


def _python(name: str) -> str:
    """Version of a Python of the admin node, `3.11`. Raises SourceError."""
    program = shutil.which(name, path=apart.PATH)
    if program is None:
        raise SourceError("source_python", f"the admin node has no {name}: install it, or name another in source-python")
    words = [program, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise SourceError("source_python", f"{program} does not work: {done.stderr.strip()[:150]}")
    return done.stdout.strip()
