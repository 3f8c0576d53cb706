"""Checks a Redfish service against an interoperability profile (DSP0272), by DMTF's Redfish-Interop-Validator, where it is installed.

The profile is the newest one in the folder `profiles` of the store; OpenStack's is `OpenStackIronicProfile`, in the source of Ironic. The
validator only reads. It runs as a process of its own, with the account on its standard input, a time limit, and a folder for its reports
that is removed afterwards: they hold everything that the BMC told.

It does not know the certificate that the engine keeps of this BMC. So it runs only right after the engine itself has logged in there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from . import interop_run

PROGRAM = "rf_interop_validator"
FOLDER = "profiles"
LIMIT_S = 300.0
MOST_BYTES = 1 << 20


class InteropRow(Struct, frozen=True, kw_only=True):
    path: str
    """Of the resource. Empty: the service as a whole."""
    name: str
    grade: str
    """`fail` or `warn`."""
    text: str


class Interop(Struct, frozen=True, kw_only=True):
    """What the validator found."""

    profile: str = ""
    failure: str = ""
    """Why it found nothing."""
    passed: int = 0
    failed: int = 0
    warned: int = 0
    skipped: int = 0
    rows: tuple[InteropRow, ...] = ()


def interpreter() -> str:
    """The Python that has the validator. Empty: it is not installed."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if not found:
        return ""
    try:
        with open(found, "rb") as file:
            first = file.readline(512).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    python = first.removeprefix("#!").strip() if first.startswith("#!") else ""
    return python if os.access(python, os.X_OK) else ""


def profile_of(store: Path) -> Path | None:
    """The newest profile, by name. None: there is none."""
    with contextlib.suppress(OSError):
        found = sorted(path for path in (store / FOLDER).iterdir() if path.suffix == ".json")
        return found[-1] if found else None
    return None


def validated(python: str, profile: Path, host: str, port: int, user: str, password: str, limit_s: float = LIMIT_S) -> Interop:
    """Blocks until it has ended. Never raises."""
    name = profile.stem
    place = f"[{host}]" if ":" in host else host
    with tempfile.TemporaryDirectory(prefix="crowbar-interop-") as folder:
        given = {"user": user, "password": password, "rhost": f"https://{place}:{port}", "logdir": folder, "profile": str(profile)}
        try:
            out = _ran([python, "-I", str(Path(interop_run.__file__).resolve())], json.dumps(given).encode(), folder, limit_s)
            told = msgspec.json.decode(out, type=Interop)
        except subprocess.TimeoutExpired:
            return Interop(profile=name, failure=f"the validator was ended after {limit_s:g} s")
        except (OSError, msgspec.MsgspecError):
            return Interop(profile=name, failure="the validator gave no result; version 3 is known to work")
    rows = tuple(msgspec.structs.replace(one, name=_plain(one.name), path=_plain(one.path), text=_plain(one.text)) for one in told.rows)
    return msgspec.structs.replace(told, profile=name, rows=rows, failure=_plain(told.failure.replace(password, "***") if password else ""))


def _ran(command: list[str], given: bytes, folder: str, limit_s: float) -> bytes:
    """Its output. Raises OSError, TimeoutExpired; then all its processes are gone."""
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": folder, "NO_PROXY": "*"}
    with tempfile.TemporaryFile(dir=folder) as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            process.communicate(given, timeout=limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        return out.read(MOST_BYTES)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]
