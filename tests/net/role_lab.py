"""A node whose ports are real interfaces: the scripts of network-NAME change them, and the switch at their other end is a bridge.

    namespace `server`: br0 192.168.124.10 (engine)  <-- c0 -->  node: the admin network, 192.168.124.81
                        br1 10.1.0.10                <-- c1 -->        nothing yet

The node's files are below a folder, and its /sys and /proc are those of its namespaces.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import net_lab

from engine.files.paths import shipped_folder

ROLE = shipped_folder("barclamps") / "network" / "roles" / "network"
NODE_TOOLS = shipped_folder("images") / "node"
ADDRESS = "192.168.124.81"
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")


def admin(**more: Any) -> dict[str, Any]:
    return {
        "name": "admin",
        "address": ADDRESS,
        "mask": "255.255.255.0",
        "router": "192.168.124.10",
        "preference": 10,
        "vlan": 0,
        "links": [link(0)],
        **more,
    }


def storage(**more: Any) -> dict[str, Any]:
    return {"name": "storage", "address": "10.1.0.81", "mask": "255.255.240.0", "router": "", "vlan": 0, "links": [link(1)], **more}


def link(number: int) -> dict[str, str]:
    return {"link": f"1g{number}", "mac": MACS[number], "switch": "tor1", "port": f"swp{number + 1}"}


class RoleLab(net_lab.Lab):
    """`with RoleLab(folder) as lab:`. Only as root: sysfs shows the ports of another namespace only after it is mounted there."""

    def __init__(self, folder: Path, wait_s: float = 3) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.environment = {
            "PATH": f"{folder}/tools:{NODE_TOOLS}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "CROWBAR_ROOT": str(self.root),
            "CROWBAR_NETWORK_WAIT_S": str(wait_s),
        }
        super().__init__()
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        (self.folder / "tools").mkdir()
        self._keep("node", ["unshare", "--net", "--mount", "cat"])
        node = str(self._holders["node"].pid)
        self.run("node", "mount", "-t", "sysfs", "sysfs", "/sys")
        for number, mac in enumerate(MACS):
            far = ("peer", "name", f"c{number}", "address", mac, "netns", node)
            self.run("server", "ip", "link", "add", f"s{number}", "type", "veth", *far)
            if number:
                self.run("server", "ip", "link", "add", f"br{number}", "type", "bridge")
            self.run("server", "ip", "link", "set", f"s{number}", "master", f"br{number}", "up")
        self.run("server", "ip", "link", "set", "br1", "up")
        self.run("server", "ip", "address", "add", "10.1.0.10/20", "dev", "br1")
        # The two networks are of one machine here: what comes from the wrong one does not count.
        self.run("server", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/br1/rp_filter")
        self.run("node", "ip", "link", "set", "lo", "up")
        self.run("node", "ip", "link", "set", "c0", "up")
        self.run("node", "ip", "address", "add", f"{ADDRESS}/24", "dev", "c0")
        self.run("node", "ip", "route", "add", "default", "via", "192.168.124.10")
        for path in ("etc/systemd/network", "etc/systemd/system/multi-user.target.wants", "etc/crowbar"):
            (self.root / path).mkdir(parents=True)
        (self.root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service").write_text("")
        self.installed = self.root / "etc/systemd/network/50-crowbar-admin.network"
        self.installed.write_text(f"[Match]\nMACAddress={MACS[0]}\nType=ether\n[Network]\nAddress={ADDRESS}/24\nGateway=192.168.124.10\n")
        for name in ("sys", "proc"):
            (self.root / name).symlink_to(f"/{name}")

    def _enter(self, where: str) -> list[str]:
        words = super()._enter(where)
        return [*words[:-1], "--mount", "--"] if where == "node" else words

    def words(self, action: str, network: dict[str, Any], targets: list[dict[str, Any]] | None = None) -> tuple[list[str], dict[str, str]]:
        attributes = self.folder / "attributes.json"
        attributes.write_text(json.dumps({"network": network, "network-targets": targets or []}))
        more = {"CROWBAR_ATTRIBUTES": str(attributes), "CROWBAR_GIVES": str(self.folder / "gives.json")}
        return ["sh", str(ROLE / action)], {**os.environ, **self.environment, **more}

    def role(self, action: str, network: dict[str, Any], targets: list[dict[str, Any]] | None = None) -> subprocess.CompletedProcess[str]:
        words, environment = self.words(action, network, targets)
        return self.run("node", *words, check=False, env=environment)

    def answers(self, address: str = ADDRESS) -> bool:
        """Does the node answer the engine there?"""
        return self.run("server", "ping", "-c", "1", "-W", "1", address, check=False).returncode == 0

    def live(self) -> str:
        """Links, addresses and routes of the node, without what changes by itself."""
        links = self.run("node", "ip", "-o", "link").stdout
        out = [f"{p[1]} {p[p.index('mtu') + 1]} {'UP' in p[2]}" for p in (line.split() for line in links.splitlines())]
        out += [" ".join(line.split()[1:4]) for line in self.run("node", "ip", "-o", "-4", "address").stdout.splitlines()]
        out += [line.replace(" linkdown", "").strip() for line in self.run("node", "ip", "route").stdout.splitlines()]
        return "\n".join(sorted(out))

    def files(self) -> dict[str, str]:
        etc = self.root / "etc"
        return {str(path.relative_to(etc)): path.read_text() for path in sorted(etc.rglob("*")) if path.is_file()}

    def state(self, name: str) -> Path:
        return self.root / "var/lib/crowbar/network" / name


def until(met: Any, what: str, limit_s: float = 60.0) -> float:
    """Seconds until it was met."""
    begun = time.monotonic()
    while not met():
        assert time.monotonic() - begun < limit_s, what
        time.sleep(0.1)
    return time.monotonic() - begun
