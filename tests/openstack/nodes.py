"""Nodes for the roles of OpenStack: systemd containers on a prepared tree of Debian, on loopback addresses of this machine.

`CROWBAR_CLOUD_TREE` names the tree: a folder with Debian 13 and the packages of the roles, whose services do not start by themselves. Tests
that need it are skipped without it, and without root and systemd-nspawn.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[2]
TREE = os.environ.get("CROWBAR_CLOUD_TREE", "")
BOOT_S = 90.0
ROLE_S = 400.0


def needed() -> pytest.MarkDecorator:
    able = bool(TREE) and os.geteuid() == 0 and shutil.which("systemd-nspawn") is not None and Path(TREE, "etc").is_dir()
    return pytest.mark.skipif(not able, reason="CROWBAR_CLOUD_TREE, root and systemd-nspawn are needed")


class Node:
    """A container. It has the machine's network, so each one has an address of its own for what its services listen on."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder
        self.root = folder / "root"
        self._started: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def up(self) -> Node:
        for one in ("upper", "work", "root"):
            (self.folder / one).mkdir(parents=True)
        subprocess.run(["ip", "addr", "replace", f"{self.address}/32", "dev", "lo"], check=True)
        layers = f"lowerdir={TREE},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/machine-id").write_text(os.urandom(16).hex() + "\n")
        argv = ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--private-users=no", "--capability=all", "-M", self.name]
        argv += ["--system-call-filter=@system-service @mount @module", "-D", str(self.root), f"--hostname={self.name}", "--boot"]
        argv += ["systemd.unified_cgroup_hierarchy=1", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "systemd.log_level=notice"]
        argv += [f"systemd.mask={unit}" for unit in ("systemd-networkd.service", "ssh.service", "ssh.socket")]
        Path("/sys/fs/cgroup/systemd").mkdir(exist_ok=True)
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self.folder / "console.log", "wb") as log:
            self._started = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        until = time.monotonic() + BOOT_S
        while self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip() not in ("running", "degraded"):
            assert self._started.poll() is None, (self.folder / "console.log").read_text("utf-8", "replace")[-2000:]
            assert time.monotonic() < until, (self.folder / "console.log").read_text("utf-8", "replace")[-2000:]
            time.sleep(0.2)
        return self

    def _leader(self) -> int:
        if not self._pid and self._started is not None:
            try:
                words = Path(f"/proc/{self._started.pid}/task/{self._started.pid}/children").read_text().split()
            except OSError:
                words = []
            for word in words:
                if Path(f"/proc/{word}/comm").read_text().strip() == "systemd":
                    self._pid = int(word)
        return self._pid

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A program in the container."""
        leader = self._leader()
        if not leader:
            return subprocess.CompletedProcess(argv, 1, "", "it has not booted")
        enter = ["nsenter", "-t", str(leader), "-m", "-p", "-u", "-i", "-r", "-w", "--", "env", "-i"]
        enter += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", *argv]
        done = subprocess.run(enter, input=stdin, capture_output=True, text=True, timeout=ROLE_S, check=False)
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(argv)[:200]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def role(self, role: str, attributes: dict[str, Any], action: str = "run", tools: dict[str, str] | None = None) -> tuple[int, str, Any]:
        """Runs a role as a task does: its folder, the tools and attributes.json. Exit code, what it printed, what it gives."""
        place = self.root / "var/lib/task" / role
        shutil.rmtree(place, ignore_errors=True)
        (found,) = HERE.glob(f"barclamps/*/roles/{role}")
        shutil.copytree(found, place)
        for tool in (*(HERE / "images/node/cloud").glob("*.py"), HERE / "images/node/attribute", HERE / "images/node/disks"):
            shutil.copy(tool, place)
        for name, text in (tools or {}).items():
            (place / name).unlink(missing_ok=True)
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        (place / "attributes.json").write_text(json.dumps(attributes))
        inside = f"/var/lib/task/{role}"
        script = f"cd {inside} && PATH={inside}:$PATH CROWBAR_ATTRIBUTES=attributes.json CROWBAR_GIVES={inside}/gives.json "
        done = self.run("sh", "-c", f"{script} CROWBAR_PROGRESS={inside}/progress ./{action} 2>&1", check=False)
        gives = place / "gives.json"
        return done.returncode, done.stdout, json.loads(gives.read_text()) if gives.exists() else {}

    def apply(self, role: str, attributes: dict[str, Any], **more: Any) -> Any:
        """Runs the role, and verifies it. Returns what it gives."""
        code, said, gives = self.role(role, attributes, **more)
        assert code == 0, f"{self.name}: {role}: {said[-3000:]}"
        again, why, same = self.role(role, attributes, "verify", **more)
        assert (again, same) == (0, gives), f"{self.name}: {role} verify: {why[-3000:]}"
        return gives

    def down(self) -> None:
        """All of its processes end at once, as if the machine had lost its power; what it stored is gone too."""
        if self._started is None:
            return
        if self._leader():
            os.kill(self._leader(), signal.SIGKILL)
        self._started.wait(30)
        self._started = None
        for _ in range(100):
            if subprocess.run(["umount", "-R", str(self.root)], capture_output=True, check=False).returncode == 0 or not os.path.ismount(
                self.root
            ):
                break
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run(["ip", "addr", "del", f"{self.address}/32", "dev", "lo"], check=False, capture_output=True)
