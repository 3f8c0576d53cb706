"""How the node's shell tools are run in tests: under dash with the system's tools, and under busybox with nothing but its own."""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

NODE = Path(__file__).resolve().parents[2] / "images" / "node"
DEADLINE_S = 60.0


@functools.cache
def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def _made(fill: Callable[[Path], None]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tools-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    fill(folder)
    return folder


@functools.cache
def busybox_tools() -> Path:
    """A folder with nothing but busybox's applets."""

    def fill(folder: Path) -> None:
        for applet in subprocess.run([found("busybox"), "--list"], capture_output=True, text=True, check=True).stdout.split():
            (folder / applet).symlink_to(found("busybox"))

    return _made(fill)


@functools.cache
def tools_without(*missing: str) -> Path:
    """A folder with the programs of PATH but for these: the first of a name, as a search finds it."""

    def fill(folder: Path) -> None:
        for place in os.environ["PATH"].split(":"):
            if os.path.isdir(place):
                for tool in os.scandir(place):
                    if tool.name not in missing and not os.path.lexists(folder / tool.name):
                        (folder / tool.name).symlink_to(tool.path)

    return _made(fill)


class Shell:
    """One kind of shell with its PATH: the folder `tools` of a test comes first, then the system's tools or busybox's."""

    def __init__(self, name: str, folder: Path, *, without: tuple[str, ...] = ()) -> None:
        self.name = name
        tools = folder / "tools"
        tools.mkdir()
        (tools / "attempt").symlink_to(NODE / "attempt")
        if name == "dash":
            self.words = [found("dash")]
            self.path = f"{tools}:{tools_without(*without) if without else os.environ['PATH']}"
        else:
            self.words = [found("busybox"), "sh"]
            self.path = f"{tools}:{busybox_tools()}"

    def env(self, **more: str) -> dict[str, str]:
        return {"PATH": self.path, "CROWBAR_SH": " ".join(self.words), **more}


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return Shell(request.param, tmp_path)


class Attempts:
    """The real `attempt` on a folder of its own, with a fake kernel boot id."""

    def __init__(self, shell: Shell, folder: Path, **more: str) -> None:
        self.shell = shell
        self.home = folder / "home"
        self.root = folder / "root"
        boot_id = self.root / "proc/sys/kernel/random/boot_id"
        boot_id.parent.mkdir(parents=True)
        boot_id.write_text("boot-one\n")
        self.boot_id = boot_id
        self.env = shell.env(CROWBAR_HOME=str(self.home), CROWBAR_ROOT=str(self.root), **more)

    def argv(self, *words: str) -> list[str]:
        return [*self.shell.words, str(NODE / "attempt"), *words]

    def raw(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.argv(*words), input=stdin, capture_output=True, env=self.env, timeout=60, check=False)

    def state(self, *words: str, stdin: bytes = b"", exit: int = 0) -> dict[str, Any]:
        done = self.raw(*words, stdin=stdin)
        assert done.returncode == exit, done
        lines = done.stdout.decode().splitlines()
        assert len(lines) == 1, done
        state: dict[str, Any] = json.loads(lines[0])
        return state

    def start(self, id: str, script: str, timeout_s: int = 60, **files: str) -> dict[str, Any]:
        return self.state("start", id, str(timeout_s), stdin=task_tar(script, **files))

    def folder(self, id: str) -> Path:
        return self.home / "attempts" / id


def task_tar(script: str, attributes: Mapping[str, Any] | None = None, **files: str) -> bytes:
    members = {"run": "#!/bin/sh\n" + script, **files, "attributes.json": json.dumps(attributes or {"a": 1})}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            member.mode = 0o755 if name == "run" else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def until(met: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        seen = met()
        if seen:
            return seen
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")
