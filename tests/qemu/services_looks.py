"""What the services of a rack do for its installed machines, seen from the machines themselves by SSH and by the `crowbar` command.

Each look waits until what it wants to see is so, or fails with what it saw. It needs a running engine on the store, and the rack's network.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DOMAIN = "services.test"
VLANS = {"storage": 200, "public": 300}
NETWORKS = {"bond1g0": "admin", "bond1g0.200": "storage", "br-public": "public"}
"""Interface of a node -> the network whose addresses it has."""
PROOF = "crowbar-proof"
PAUSE_S = 1.0
"""Seconds between two looks: each starts a command, and the machines need the processor more."""


class Rack:
    """The installed nodes of a store's rack: name -> address."""

    def __init__(self, store: Path) -> None:
        self.store = store
        rows = [row for row in self.rows("nodes", "--json") if row.get("kind") == "server"]
        self.nodes = {row["name"]: row["address"] for row in rows}

    def crowbar(self, *words: str, code: int | None = 0) -> str:
        """What the command prints. `code`: its exit code; None: any."""
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(self.store), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert code is None or done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def rows(self, *words: str, code: int | None = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.crowbar(*words, code=code).splitlines()]

    def ssh(self, node: str, command: str, code: int | None = 0, stdin: str = "") -> str:
        """What a command on the node prints, errors too. `code`: its exit code; None: any."""
        key = self.store.with_name(self.store.name + ".keys") / "engine_ed25519"
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=60", "LogLevel=ERROR"]
        words = ["ssh", "-F", "/dev/null", "-i", str(key), *(word for option in options for word in ("-o", option))]
        words += [f"root@{self.nodes[node]}", f"exec 2>&1; {command}"]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=900, check=False)
        assert code is None or done.returncode == code, (node, command, done.returncode, done.stdout[-3000:], done.stderr[-1000:])
        return done.stdout

    def each(self, look: Callable[[str], Any]) -> dict[str, Any]:
        """Node -> what `look` finds on it, all nodes at once."""
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            return dict(zip(self.nodes, threads.map(look, self.nodes), strict=True))

    def until(self, look: Callable[[], Any], what: str, seconds: float) -> tuple[float, Any]:
        """Looks until the answer is true; the seconds that it took, and the answer."""
        began = time.monotonic()
        while not (found := look()):
            assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
            time.sleep(PAUSE_S)
        return round(time.monotonic() - began, 1), found


def links(rack: Rack) -> dict[str, Any]:
    """Bond, VLANs and addresses of each node; and whom it reaches by IPv6, on which network."""
    ask = (
        "cat /proc/net/bonding/bond1g0; cat /proc/net/vlan/config; ip -o addr show scope global; "
        "echo outside: $(ip -o route get 192.0.2.1 2>&1; ip -6 -o route get 2001:db8::1 2>&1)"
    )
    said = rack.each(lambda node: rack.ssh(node, ask))
    found = {node: _links(text) for node, text in said.items()}
    targets = {(node, net): one["addresses"][net][1] for node, one in found.items() for net in NETWORKS.values()}

    def reached(node: str) -> list[str]:
        others = [f"{net} {address}" for (other, net), address in targets.items() if other != node]
        loop = "while read net address; do ping -6 -n -c 1 -W 20 $address >/dev/null && echo $net $address; done"
        return sorted(rack.ssh(node, loop, code=None, stdin="".join(f"{one}\n" for one in others)).splitlines())

    for node, answered in rack.each(reached).items():
        found[node]["unreached"] = sorted({f"{net} {a}" for (other, net), a in targets.items() if other != node} - set(answered))
    return found


def _links(text: str) -> dict[str, Any]:
    addresses: dict[str, list[str]] = {net: [] for net in NETWORKS.values()}
    for interface, address in re.findall(r"^\d+: (\S+)\s+inet6? ([0-9a-f.:]+)/", text, re.M):
        addresses.setdefault(NETWORKS.get(interface, interface), []).append(address)
    return {
        "mode": re.findall(r"^Bonding Mode: (.*)$", text, re.M),
        "members": re.findall(r"^Slave Interface: (\S+)$", text, re.M),
        "partners": re.findall(r"details partner lacp pdu:.*?system mac address: (\S+)", text, re.S),
        "up": re.findall(r"^MII Status: (\S+)$", text, re.M),
        "vlans": {name: int(vlan) for name, vlan in re.findall(r"^(\S+)\s*\| (\d+)\s*\|", text, re.M)},
        "addresses": {net: sorted(found, key=lambda a: ":" in a) for net, found in addresses.items()},
        "outside": text.rpartition("outside: ")[2].strip(),
    }


def names(rack: Rack, seen: dict[str, Any]) -> dict[str, Any]:
    """What `dig` on each node lacks or has otherwise of the A, AAAA and PTR records of every node, by the node's own resolver; and the
    number of records that were right. `seen`: what `links` found."""
    wanted = set()
    for node, one in seen.items():
        for net, (v4, v6) in one["addresses"].items():
            label = node.partition(".")[0]
            name = f"{label}.{DOMAIN}." if net == "admin" else f"{label}.{net}.{DOMAIN}."
            wanted |= {(name, "A", v4), (name, "AAAA", v6)}
            wanted |= {(f"{ipaddress.ip_address(address).reverse_pointer}.", "PTR", name) for address in (v4, v6)}
    questions = "".join(f"{name} {kind} +noall +answer\n" for name, kind, _ in sorted(wanted))

    def answered(node: str) -> dict[str, Any]:
        said = rack.ssh(node, "cat >/tmp/questions; grep nameserver /etc/resolv.conf; dig -f /tmp/questions", stdin=questions)
        rows = {(words[0], words[3], words[4]) for line in said.splitlines() if len(words := line.split()) == 5 and words[2] == "IN"}
        return {"server": re.findall(r"nameserver (\S+)", said), "right": len(rows & wanted), "wrong": sorted(rows ^ wanted)}

    return rack.each(answered)


def clocks(rack: Rack, admin: str) -> dict[str, str]:
    """`chronyc tracking` of each node once it follows the admin node."""

    def follows(node: str) -> str:
        def look() -> str:
            said = rack.ssh(node, "chronyc -n tracking", code=None)
            return said if f"({admin})" in said and re.search(r"^Leap status +: Normal$", said, re.M) else ""

        return str(rack.until(look, f"{node} follows {admin}", 300)[1])

    return rack.each(follows)


def logged(rack: Rack) -> dict[str, float]:
    """Seconds until a line that was logged on the node stands in `crowbar log NODE --system`."""

    def read(node: str) -> float:
        line = f"{PROOF} of {node}"
        rack.ssh(node, f"logger -t proof '{line}'")
        return rack.until(lambda: line in rack.crowbar("log", node, "--system", code=None), f"{line!r} in the log", 120)[0]

    return rack.each(read)


def health(rack: Rack) -> list[dict[str, Any]]:
    return [row for row in rack.rows("health", "--json") if row["type"] == "check"]


def monitored(rack: Rack, node: str, role: str, process: str) -> dict[str, Any]:
    """All hosts up and all checks good; then the seconds from the kill of a process to the red check, and what both say. The role is
    retried and the check good again afterwards."""

    def good() -> list[dict[str, Any]]:
        rows = health(rack)
        hosts = {row["node"] for row in rows if not row["role"] and row["state"] == "up"}
        return rows if set(rack.nodes) <= hosts and all(row["state"] in ("up", "good") for row in rows) else []

    found: dict[str, Any] = {}
    found["good_s"], rows = rack.until(good, "all hosts up and all checks good", 600)
    found["hosts"] = sorted(row["node"] for row in rows if not row["role"])
    found["checks"] = len([row for row in rows if row["role"]])
    rack.ssh(node, f"pkill -KILL -x {process}")
    red_s, red = rack.until(lambda: [row for row in health(rack) if row["red"]], f"{role} of {node} is red", 300)
    found |= {"red_s": red_s, "red": [(row["node"], row["role"], row["state"], row["text"]) for row in red]}
    found["findings"] = [row for row in rack.rows("roles", node, "--json") if row["role"] == role][0]["findings"]
    rack.crowbar("role", node, role, "retry")
    found["green_s"], _ = rack.until(good, f"{role} of {node} is good again", 600)
    return found


def installed(rack: Rack, package: str) -> dict[str, Any]:
    """`apt install` of a package on each node, by hand: the seconds that it took and the version."""

    def install(node: str) -> tuple[float, str]:
        began = time.monotonic()
        rack.ssh(node, f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {package}")
        version = rack.ssh(node, f"dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {package}")
        return round(time.monotonic() - began, 1), version

    return rack.each(install)


def without_bundle(rack: Rack, node: str, role: str, package: str, bundle: Path) -> dict[str, Any]:
    """The bundle is closed, and the cache is empty: what apt on the node says, what the role says whose package is gone, and what
    `crowbar packages` says. Then the bundle is opened again, and the role is retried."""
    found: dict[str, Any] = {}
    rack.ssh(node, f"apt-get remove -y {package} && apt-get clean")
    rack.crowbar("bundle", "close")
    found["apt"] = rack.ssh(node, f"apt-get install -y {package}", code=100)
    rack.crowbar("role", node, role, "retry")

    def state() -> dict[str, Any]:
        return [row for row in rack.rows("roles", node, "--json", code=None) if row["role"] == role][0]

    rack.until(lambda: state()["state"] == "error", f"{role} of {node} is in error", 900)
    found["role"] = state()["why"]
    found["packages"] = rack.rows("packages", "--json", code=1)[0]
    found["said"] = rack.crowbar("packages", code=1)
    rack.crowbar("bundle", "open", str(bundle))
    rack.crowbar("role", node, role, "retry")
    found["again_s"], _ = rack.until(lambda: state()["state"] == "active", f"{role} of {node} is active again", 900)
    found["left"] = rack.rows("packages", "--json", code=None)[0].get("missing")
    return found


def tools(rack: Rack) -> dict[str, Any]:
    """What the Ansible role and the Puppet role left on each node, and what they gave."""
    ask = "sysctl -n vm.swappiness; grep -rh swappiness /etc/sysctl.d; getent passwd ada; groups ada; ls -d /home/ada; puppet --version"
    return rack.each(lambda node: rack.ssh(node, ask).splitlines())


def main() -> None:
    """Looks at a running rack: `services_looks.py STORE LOOK [WORDS]`."""
    rack, admin = Rack(Path(sys.argv[1])), os.environ.get("ADMIN", "192.168.124.10")
    look = {
        "links": lambda: links(rack),
        "names": lambda: names(rack, links(rack)),
        "clocks": lambda: clocks(rack, admin),
        "logged": lambda: logged(rack),
        "health": lambda: health(rack),
        "tools": lambda: tools(rack),
        "monitored": lambda: monitored(rack, *sys.argv[3:]),
        "installed": lambda: installed(rack, *sys.argv[3:]),
        "without": lambda: without_bundle(rack, *sys.argv[3:6], Path(sys.argv[6])),
    }[sys.argv[2]]
    print(json.dumps(look(), indent=1))


if __name__ == "__main__":
    main()
