"""A SAN on this machine: the delegate's program with the environment of a task, the real tgtd, and a real initiator (libiscsi)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "images" / "node" / "san"
MIB = 1 << 20
SECRET = "Abcdefgh12345678"
needs_tgt = pytest.mark.skipif(
    shutil.which("tgtd") is None or shutil.which("iscsi-ls") is None or os.geteuid() != 0,
    reason="needs root, and the packages tgt and libiscsi-bin",
)


class Done:
    def __init__(self, process: subprocess.CompletedProcess[str], gives: Path) -> None:
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr
        self.gives: Any = json.loads(gives.read_text()) if gives.exists() else None


class San:
    """One delegate: `folder` holds what it keeps."""

    def __init__(self, folder: Path, driver: str = "tgt", port: int = 3260, **device: str) -> None:
        self.folder, self.environment = folder, dict(os.environ)
        self.access: dict[str, Any] = {"san1": {"driver": driver, "port": port}}
        self.device = {"name": "san1", "id": "san-san1", "address": "127.0.0.1", **device}
        self.secrets = {"n1": SECRET, "n2": "Zyxwvuts87654321"}
        self.environment |= {"CROWBAR_STATE": str(folder / "state"), "CROWBAR_ROOT": str(folder / "root")}

    def run(self, verb: str, wanted: dict[str, list[dict[str, Any]]], remove: list[dict[str, str]] | None = None, **extra: str) -> Done:
        told = {
            "device": self.device,
            "san-access": self.access,
            "san": {"wanted": [{"node": f"{node}.r1.test", "role": "san-disk", "value": value} for node, value in wanted.items()]},
            "san-accounts": json.dumps(self.secrets),
            "san-remove": remove or [],
        }
        attributes, gives = self.folder / "attributes.json", self.folder / "gives.json"
        attributes.write_text(json.dumps(told))
        gives.unlink(missing_ok=True)
        environment = {**self.environment, "CROWBAR_ATTRIBUTES": str(attributes), "CROWBAR_GIVES": str(gives), **extra}
        command = [sys.executable, str(TOOL / "san.py"), verb]
        return Done(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False), gives)


def lun(name: str = "data", mib: int = 4, **more: str) -> dict[str, Any]:
    return {"name": name, "size": mib * MIB, **more}


class Daemon:
    """The real tgtd, on a port and a socket of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.socket = str(folder / "tgt")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["tgtd", "-f", "--iscsi", f"portal=127.0.0.1:{self.port}"]
        environment = os.environ | {"TGT_IPC_SOCKET": self.socket}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        show = ["tgtadm", "--lld", "iscsi", "--mode", "target", "--op", "show"]
        while subprocess.run(show, env=environment, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < until, "tgtd does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()  # tgtd ignores SIGTERM while it has targets
            self.process.wait()
            Path(f"{self.socket}.0").unlink(missing_ok=True)
            self.process = None


def initiator(command: str, row: dict[str, Any], *words: str, name: str = "", secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    """libiscsi's program on the LUN of a row of `san-luns`."""
    url = f"iscsi://{row['user']}%{secret}@{row['portal']}/{row['target']}/{row['number']}"
    return subprocess.run([command, "-i", name or row["initiator"], *words, url], capture_output=True, text=True, timeout=60, check=False)
