"""Runs `on_rack` for a test, and shows what was said when it did not end well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import racks as rehearsal
from engine.files.paths import images_folder
from engine.images.build import locked
from engine.images.build.recipe import BuildError
from engine.images.shelf import image_states
from engine.racks import RackError
from engine.racks.process import ENDS_WITH
from engine.racks.qemu import missing, serial_logs

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
    environment = {**os.environ, "PYTHONPATH": path, ENDS_WITH: str(os.getpid())}
    try:
        said, errors, code = within(words, seconds + 300, environment)
    finally:
        end_rack(rack_of(store))
    found: dict[str, Any] = json.loads(said.splitlines()[-1]) if code == 0 and said.strip() else {}
    if found.get("verdict") != "ready":
        print(logs(store, said, errors, code))
    return found


def within(words: list[str], seconds: float, environment: dict[str, str]) -> tuple[str, str, int]:
    """What a program said, and its exit code; -1 where it took longer. It has a process group of its own, which is gone afterwards, whatever
    ends this call."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as program:
        try:
            said, errors = program.communicate(timeout=seconds)
            return said, errors, program.returncode
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            said, errors = program.communicate()
            return said, errors, -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


def end_rack(folder: Path) -> None:
    """No machine of this rack runs afterwards, even where its process does not answer."""
    with suppress(RackError):
        rehearsal.connect(folder).stop()
    rehearsal.RehearsalRack(folder).kill()


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


def variant_of(image: str) -> str:
    """The variant of a built image; empty: none is known."""
    try:
        return locked.parse((images_folder(ROOT / "no-store") / image / locked.FILE).read_text(encoding="utf-8")).variant
    except (OSError, UnicodeDecodeError, BuildError):
        return ""
