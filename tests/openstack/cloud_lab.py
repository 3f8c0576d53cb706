"""Nodes of a cloud that are containers: Debian 13 with real systemd and the real services, and the barclamps' real scripts on it.

The tree comes from the built image `debian-13-cloud` (`$CROWBAR_IMAGES`), or from the folder `$CROWBAR_CLOUD_TREE`. Each node is an overlay of it. All nodes
of a lab share a network namespace, in which only loopback exists. Needs root.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from engine.definitions import Catalog
from engine.files.catalog import shipped
from engine.jigs.node_tools import TOOLS
from engine.jigs.task_tar import tool_files
from engine.trust.authority import site_authority
from engine.trust.node_certificates import node_certificate
from engine.trust.vault import Vault

IMAGE = "debian-13-cloud"
BOOT_S = 120.0
RUN_S = 900.0


def why_not() -> str:
    """Why there can be no such lab here, in one sentence; empty: it can."""
    if os.geteuid() != 0:
        return "containers with systemd need root"
    missing = [name for name in ("systemd-nspawn", "setpriv", "nsenter", "ip") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: systemd-container, util-linux, iproute2)"
    if _tree() is None and _image() is None:
        return f"no tree: build it with crowbar image build {IMAGE} --variant cloud, and set CROWBAR_IMAGES"
    return ""


def _tree() -> Path | None:
    found = os.environ.get("CROWBAR_CLOUD_TREE")
    return Path(found) if found and Path(found, "usr/bin/keystone-manage").exists() else None


def _image() -> Path | None:
    file = Path(os.environ.get("CROWBAR_IMAGES", "/nonexistent"), IMAGE, "root.ext4.zst")
    return file if file.is_file() else None


class Done:
    def __init__(self, process: subprocess.CompletedProcess[str], gives: Any) -> None:
        self.code, self.out, self.gives = process.returncode, process.stdout + process.stderr, gives

    def __repr__(self) -> str:
        return f"{self.code}: {self.out}"


class CloudLab:
    """`values`: attribute -> value for every role. Secrets that the engine would make have one each. `tree`: what nodes are an overlay of,
    if not of the image."""

    def __init__(self, folder: Path, values: Mapping[str, Any], tree: Path | None = None) -> None:
        self.folder = folder
        self.catalog: Catalog = shipped()
        self.values = {"cloud-profile": "rehearsal", **values}
        self.nodes: dict[str, CloudNode] = {}
        self.placed: dict[str, list[str]] = {}
        """Role -> the nodes that have it."""
        self._end = ExitStack()
        (folder / "store").mkdir()
        self.vault = Vault(folder / "store", folder / "keys")
        self.site = site_authority(folder / "keys")
        self.net = f"crowbar-cloud-{secrets.token_hex(3)}"
        _call("ip", "netns", "add", self.net)
        self._end.callback(_call, "ip", "netns", "del", self.net)
        _call("ip", "-n", self.net, "link", "set", "lo", "up")
        self.tree = tree or _tree() or self._mounted()

    def _mounted(self) -> Path:
        image = _image()
        assert image is not None
        raw, tree = self.folder / "root.ext4", self.folder / "tree"
        tree.mkdir()
        _call("zstd", "-q", "-d", "-o", str(raw), str(image))
        _call("mount", "-o", "loop,ro,noload", str(raw), str(tree))
        self._end.callback(_call, "umount", str(tree))
        return tree

    def close(self) -> None:
        for node in self.nodes.values():
            node.stop()
        self._end.close()

    def node(self, name: str, address: str, *roles: str) -> CloudNode:
        """A running node. `roles`: those that the plan gives it."""
        return self.keep(CloudNode(self, name, address), *roles)

    def keep(self, node: CloudNode, *roles: str) -> CloudNode:
        for role in roles:
            self.placed.setdefault(role, []).append(node.name)
        self.nodes[node.name] = node
        return node

    def attributes(self, node: CloudNode, role: str) -> dict[str, Any]:
        """What the engine would write into attributes.json: only what the role wants and collects."""
        definition, out = self.catalog.roles[role], {}
        for want in definition.wants:
            attribute = self.catalog.attributes[want.name]
            value = self._value(node, want.name)
            if value is not None:
                _nest(out, want.at or attribute.path, value)
        for collect in definition.collects:
            found = [
                {"node": f"{name}.r1.test", "role": collect.role, "value": self._value(self.nodes[name], collect.attribute)}
                for name in self.placed.get(collect.role, ())
            ]
            _nest(out, collect.into, found)
        return out

    def _value(self, node: CloudNode, name: str) -> Any:
        if name == "admin-network":
            return {"name": "admin", "address": node.address, "mask": "255.0.0.0", "router": ""}
        if name == "node-certificate":
            return node_certificate(self.vault, self.site, node.name, [f"{node.name}.r1.test", node.name], [node.address])
        if name == "site-authority":
            return self.site.pem.decode()
        if name in node.gives:
            return node.gives[name]
        if name in self.values:
            return self.values[name]
        attribute = self.catalog.attributes[name]
        return f"secret-{name}" if attribute.generate else attribute.default

    def call(self, *words: str, data: str | None = None) -> subprocess.CompletedProcess[str]:
        """A program of this machine, in the lab's network."""
        argv = ["ip", "netns", "exec", self.net, *words]
        return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=RUN_S, check=False)


class CloudNode:
    def __init__(self, lab: CloudLab, name: str, address: str) -> None:
        self.lab, self.name, self.address = lab, name, address
        self.gives: dict[str, Any] = {}
        self.instead: dict[str, str] = {}
        """Program -> a shell script that stands for it when a role runs."""
        self.folder = lab.folder / name
        self.root = self.folder / "root"
        for made in ("upper", "work", "root"):
            (self.folder / made).mkdir(parents=True)
        overlay = f"lowerdir={lab.tree},upperdir={self.folder}/upper,workdir={self.folder}/work"
        _call("mount", "-t", "overlay", "overlay", "-o", overlay, str(self.root))
        (self.root / "etc/hostname").write_text(f"{name}\n")
        _call("ip", "-n", lab.net, "address", "add", f"{address}/32", "dev", "lo")
        try:
            self._boot()
        except BaseException:
            self.stop()  # no lab knows it yet
            raise

    def _boot(self) -> None:
        masked = [f"systemd.mask={unit}" for unit in ("systemd-networkd.service", "ssh.service", "ssh.socket")]
        argv = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "systemd-nspawn",
            "-q",
            "--register=no",
            "--keep-unit",
            "--private-users=no",
            "--capability=all",
            "-M",
            self.name,
        ]
        argv += [f"--network-namespace-path=/run/netns/{self.lab.net}", "-D", str(self.root), f"--hostname={self.name}", "--boot", *masked]
        legacy = ["systemd.unified_cgroup_hierarchy=1", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
        self.console = (self.folder / "console").open("wb")
        self.process = subprocess.Popen(
            [*argv, *legacy],
            stdin=subprocess.DEVNULL,
            stdout=self.console,
            stderr=self.console,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            start_new_session=True,
        )
        end = time.monotonic() + BOOT_S
        while self.call("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            assert self.process.poll() is None, (self.folder / "console").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, (self.folder / "console").read_text(errors="replace")[-2000:]
            time.sleep(0.2)

    def _init(self) -> str:
        """PID of the container's init. Empty: it is not there yet."""
        with suppress(OSError):
            return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().strip().split(" ")[0]
        return ""

    def call(self, *words: str, data: str | None = None) -> subprocess.CompletedProcess[str]:
        """A program of the node, in the node."""
        init = self._init()
        if not init:
            return subprocess.CompletedProcess(words, 1, "", "it has not started yet")
        argv = ["nsenter", "-t", init, "-m", "-p", "-u", "-i", "-n", "-r", "-w", "--", *words]
        return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=RUN_S, check=False, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """Of the programs of the node."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}

    def run(self, role: str, action: str = "run") -> Done:
        """The role's script on this node, with the tools that travel with it."""
        definition = self.lab.catalog.roles[role]
        task = self.root / "var/lib/crowbar-task" / role
        shutil.rmtree(task, ignore_errors=True)
        shutil.copytree(Path(self.lab.catalog.folders[definition.barclamp]) / "roles" / role, task)
        for tool in ("attribute", *definition.tools):
            for file in tool_files(TOOLS / tool):
                shutil.copy(file, task)
        for program, script in self.instead.items():
            (task / program).unlink(missing_ok=True)
            (task / program).write_text(f"#!/bin/sh\n{script}")
            (task / program).chmod(0o755)
        (task / "attributes.json").write_text(json.dumps(self.lab.attributes(self, role)))
        here = f"/var/lib/crowbar-task/{role}"
        files = {"ATTRIBUTES": "attributes.json", "GIVES": "gives.json", "PROGRESS": "progress"}
        environment = [f"CROWBAR_{key}={here}/{name}" for key, name in files.items()]
        done = self.call("env", "-C", here, *environment, "sh", "-c", f"PATH={here}:$PATH; export PATH; exec ./{action}")
        given = task / "gives.json"
        gives = json.loads(given.read_text()) if given.exists() else None
        if done.returncode == 0 and gives:
            self.gives |= gives
        return Done(done, gives)

    def bring(self, *roles: str) -> None:
        """Runs roles one after the other, each with success, as its `verify` confirms."""
        for role in roles:
            done = self.run(role)
            assert done.code == 0, done
            if self.lab.catalog.roles[role].verify:
                again = self.run(role, "verify")
                assert again.code == 0, again

    def started(self, unit: str) -> str:
        """When the unit was started last."""
        return self.call("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value", unit).stdout.strip()

    def stop(self) -> None:
        init = self._init()
        if init:
            with suppress(ProcessLookupError):
                os.kill(int(init), 9)
        self.process.wait(60)
        self.console.close()
        _call("umount", "-R", str(self.root))
        _call("ip", "-n", self.lab.net, "address", "del", f"{self.address}/32", "dev", "lo")


def _nest(out: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split("/")
    for part in above:
        out = out.setdefault(part, {})
    out[last] = value


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=300)
