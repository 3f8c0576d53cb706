"""The admin node of a small site in a network namespace of its own: the roles' real scripts, with the real named, dig and nsupdate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
DOMAIN, ADMIN = "r07.example.net", "10.0.0.10"
ZONES = [DOMAIN, "0.0.10.in-addr.arpa", "0.1.10.in-addr.arpa"]
PROGRAMS = ("named", "named-compilezone", "tsig-keygen", "dig", "nsupdate", "unshare", "nsenter", "ip")
PATH = f"{REPO / 'images' / 'node'}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
LIMIT_S = 60.0
Records = set[tuple[str, str, str]]


def missing() -> str:
    """Why these tests cannot run here. Empty: they can."""
    for program in PROGRAMS:
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed: apt install bind9 bind9-utils bind9-dnsutils util-linux iproute2"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return f"no network namespaces: {tried.stderr.strip()[:200]}" if tried.returncode else ""


def _unshare() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


class Site:
    """named ends with the namespace's holder, which ends with this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        setup = f"ip link set lo up && ip addr add {ADMIN}/24 dev lo && ip addr add 10.0.0.11/24 dev lo && echo ready && exec cat"
        self._holder = subprocess.Popen([*_unshare(), "sh", "-c", setup], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": PATH})
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self._attempts = 0
        self.document: dict[str, Any] = {
            "dns-serve": True,
            "dns-nameservers": [],
            "dns-forwarders": [],
            "dns-zones": ZONES,
            "dns-admin": records(f"admin.{DOMAIN}", ADMIN),
            "hostname": "admin",
            "domain": DOMAIN,
            "admin-address": ADMIN,
            "admin-subnets": ["10.0.0.0/24", "10.1.0.0/24"],
            "dns-address": ADMIN,
            "dns-name": f"admin.{DOMAIN}",
            "dns-aliases": {},
            "dns": {"hosts": []},
        }

    @property
    def holder(self) -> int:
        """The process that keeps the namespace."""
        return self._holder.pid

    def close(self) -> None:
        self.inside(["sh", str(REPO / "images/node/service"), "down", "dns"])
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(LIMIT_S)
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def command(self, words: Iterable[str]) -> list[str]:
        """`words` as a command line in the namespace."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return [shutil.which("nsenter") or "nsenter", f"--target={self._holder.pid}", *user, "--net", "--", *words]

    def inside(self, words: Iterable[str], text: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": PATH,
            "CROWBAR_STATE": str(self.state),
            "CROWBAR_REHEARSAL": "namespace",
            "CROWBAR_LIVES_WITH": str(self._holder.pid),
            "CROWBAR_ATTEMPT": f"a-{self._attempts}.1",
            "CROWBAR_ATTRIBUTES": str(self.folder / "attributes.json"),
            "CROWBAR_GIVES": str(self.folder / "gives.json"),
            "TMPDIR": str(self.folder),
        }
        return subprocess.run(
            self.command(words), input=text, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def role(self, role: str, action: str = "run", **changes: Any) -> subprocess.CompletedProcess[str]:
        """The role's script, with these attributes changed from now on (`dns_aliases` for `dns-aliases`)."""
        self.document |= {name.replace("_", "-"): value for name, value in changes.items()}
        self._attempts += 1
        (self.folder / "attributes.json").write_text(json.dumps(self.document))
        (self.folder / "gives.json").unlink(missing_ok=True)
        return self.inside(["sh", str(REPO / "barclamps/dns/roles" / role / action)])

    @property
    def gives(self) -> Any:
        return json.loads((self.folder / "gives.json").read_text())

    def good(self, role: str, action: str = "run", **changes: Any) -> None:
        done = self.role(role, action, **changes)
        assert done.returncode == 0, done.stdout + done.stderr

    def ask(self, *words: str) -> list[str]:
        """What dig prints of the answer, short."""
        done = self.inside(["dig", f"@{ADMIN}", "+short", "+time=2", "+tries=1", *words])
        return done.stdout.split()

    def status(self, *words: str) -> str:
        """NOERROR, REFUSED, ..."""
        said = self.inside(["dig", f"@{ADMIN}", "+time=2", "+tries=1", *words]).stdout
        return said.partition("status: ")[2].partition(",")[0]

    def transfer(self, zone: str) -> Records:
        """All records of the zone but SOA."""
        key = str(self.state / "dns/key.conf")
        done = self.inside(["dig", f"@{ADMIN}", "-k", key, "+noall", "+answer", zone, "AXFR"])
        rows = [line.split() for line in done.stdout.splitlines() if " IN " in " ".join(line.split()) and not line.startswith(";")]
        assert rows, done.stdout
        return {(row[0].lower(), row[3], row[4].lower()) for row in rows if row[3] != "SOA"}

    @property
    def pid(self) -> int:
        return int((self.state / "dns/.service/pid").read_text().split()[0])


def records(name: str, address: str) -> list[str]:
    return [f"{name}. {'A' if '.' in address else 'AAAA'} {address}", f"{ip_address(address).reverse_pointer}. PTR {name}."]


def host(label: str, *addresses: str) -> dict[str, Any]:
    """As the engine computes it: the first address is on the admin network."""
    names = [f"{label}.{DOMAIN}", f"{label}.storage.{DOMAIN}"]
    return {"node": names[0], "value": [line for name, address in zip(names, addresses, strict=False) for line in records(name, address)]}


def wait(so: Callable[[], bool], what: str) -> None:
    """Looks until it is so."""
    end = time.monotonic() + LIMIT_S
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.05)
