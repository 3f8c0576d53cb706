"""Runs `on_rack` for a test, and shows what was said when it did not end well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import rehearsal
from engine.images import image_states
from engine.rehearsal import RackError
from engine.rehearsal.qemu import missing, serial_logs

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("debian-12", "loader", "sledgehammer")


def lacking() -> str:
    """What a test on QEMU machines needs and this machine has not got, in one line; empty: nothing."""
    if why := missing():
        return why
    whole = {row["name"] for row in image_states(ROOT / "no-store") if row["whole"]}
    absent = [name for name in IMAGES if name not in whole]
    return f"the images {', '.join(absent)} are not built, or CROWBAR_IMAGES does not say where they are" if absent else ""


def run(store: Path, nodes: int, seconds: float, *more: str, program: str = "on_rack.py") -> dict[str, Any]:
    """The rack's end, as `on_rack` tells it, or another program beside it. The rack is gone afterwards. Fails with the logs."""
    words = [sys.executable, str(Path(__file__).with_name(program)), str(store), str(nodes), str(seconds), *more]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=seconds + 300, env={**os.environ, "PYTHONPATH": path}, check=False
        )
        said, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        said, errors, code = _text(late.stdout), _text(late.stderr), -1
    finally:
        with suppress(RackError):
            rehearsal.connect(rack_of(store)).stop()
    found: dict[str, Any] = json.loads(said.splitlines()[-1]) if code == 0 and said.strip() else {}
    if found.get("verdict") != "ready":
        print(logs(store, said, errors, code))
    return found


def rack_of(store: Path) -> Path:
    return store.with_name(store.name + ".rack")


def logs(store: Path, said: str, errors: str, code: int) -> str:
    """All that helps to find out why: journal, rack, consoles, attempts."""
    out = [f"exit {code}", "== said", said[-4000:], "== journal and errors", errors[-12_000:]]
    rack = rack_of(store)
    files = [rack / "rack.log", *sorted(rack.glob("machines/*/qemu.log"))]
    for machine in sorted(rack.glob("machines/*")):
        files += [one.path for one in serial_logs(rack, machine.name)[:2]]
    files += sorted((store / "logs").glob("*"))[-12:]
    for file in files:
        if file.is_file() and file.stat().st_size:
            out += [f"== {file.relative_to(store.parent)}", file.read_bytes()[-3000:].decode("utf-8", "replace")]
    return "\n".join(out)


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
