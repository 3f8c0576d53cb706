"""The owner of a rack's two network namespaces: `python -m engine.racks.namespace_owner RACKDIR`, run in the outer one (see `namespace`).

It starts the rack's process in its own namespace, joins the two by a veth pair, and stays until the rack ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .kinds import AnyRackSpec, parse
from .namespace import GATEWAY, INNER, OUTER, NoNamespace
from .qemu import network
from .qemu.spec import QemuRackSpec
from .simulated.spec import SimulatedRackSpec


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise NoNamespace(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _enter_ip(pid: int, *words: str) -> None:
    done = subprocess.run(["nsenter", f"--target={pid}", "--net", "ip", *words], capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise NoNamespace(f"ip {' '.join(words)} in the rack's namespace: {done.stderr.strip()}")


def _join(spec: SimulatedRackSpec, rack: int) -> None:
    """The veth pair between this namespace and that of the rack's process."""
    prefix = _prefix(spec)
    _ip("link", "set", "lo", "up")
    _ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER)
    _ip("link", "set", INNER, "netns", str(rack))
    _ip("address", "add", f"{spec.admin}/{prefix}", "brd", "+", "dev", OUTER, "noprefixroute")
    _ip("link", "set", OUTER, "up")
    _ip("route", "add", f"{GATEWAY}/32", "dev", OUTER)
    for subnet in dict.fromkeys(spec.networks.values()):
        _ip("route", "add", subnet, "via", GATEWAY, "dev", OUTER, "src", spec.admin)
    _enter_ip(rack, "link", "set", "lo", "up")
    _enter_ip(rack, "address", "add", f"{GATEWAY}/32", "dev", INNER)
    _enter_ip(rack, "link", "set", INNER, "up")
    _enter_ip(rack, "route", "add", f"{spec.admin}/32", "dev", INNER)


def _wire(spec: QemuRackSpec, rack: int) -> None:
    """The same for a rack of QEMU machines, whose process makes the network of its own side."""
    for words in (*network.moved(rack), *network.outer(spec, _prefix(spec))):
        _ip(*words)


def _prefix(spec: AnyRackSpec) -> int:
    for subnet in spec.networks.values():
        if IPv4Address(spec.admin) in IPv4Network(subnet):
            return IPv4Network(subnet).prefixlen
    raise NoNamespace(f"the admin address {spec.admin} is in no network of the rack")


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    spec = parse((folder / "rack.yml").read_text(encoding="utf-8"))
    words = ["unshare", "--net", sys.executable, "-m", "engine.racks.process", str(folder)]
    here = os.readlink("/proc/self/ns/net")
    with subprocess.Popen(words) as rack:
        try:
            end = time.monotonic() + 10
            while os.readlink(f"/proc/{rack.pid}/ns/net") == here:
                if rack.poll() is not None or time.monotonic() > end:
                    raise NoNamespace("the rack's process has no namespace of its own")
                time.sleep(0.005)
            if isinstance(spec, QemuRackSpec):
                _wire(spec, rack.pid)
            else:
                _join(spec, rack.pid)
            (folder / "owner.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
            return rack.wait()
        except (NoNamespace, OSError) as wrong:
            print(f"the rack's namespaces could not be made: {wrong}", file=sys.stderr)
            return 1
        finally:
            rack.terminate()
            (folder / "owner.pid").unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
