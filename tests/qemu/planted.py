"""Secrets that are planted in a rack of QEMU machines, and the search for them in all that the run wrote and sent.

Searched: both networks as they were on the wire, command lines of all processes, store, rack folder with consoles and logs, what the engine shows;
on each installed machine what anybody may read, its journal and its kernel command line.

Exempt: the folder of keys; `rack.yml`, which is the inside of the BMCs; the disks' files, where the credential stands in a file for root alone (which
is looked at from within).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.api.control import shipped_folder
from engine.core.world.world import World
from engine.files.catalog import read as read_catalog
from engine.model import Kind, Node
from engine.store.store import Store
from engine.trust.tokens import site_keys

HERE = Path(__file__).parent
PASSWORD, SECRET = "pl4nted+bmc/pw=7f3a", "pl4nted-attribute/of+roles=19c?&"
VARIABLES = {"CROWBAR_BMC_PASSWORD": PASSWORD, "CROWBAR_PLANTED": SECRET}
ROLES = {"planted-early": "all", "planted-late": "all"}
INTERFACES = ("crowbar0", "crowbar1")
OUTSIDE = "umask 077; cat >/run/planted && find / -xdev -type f -perm -004 ! -path '/run/*' -exec grep -lF -f /run/planted {} + ; true"
JOURNAL = "journalctl -o export --no-pager | grep -aoF -f /run/planted; dmesg | grep -oF -f /run/planted; tr '\\0' '\\n' </proc/cmdline | grep -oF -f /run/planted; true"
PRIVATE = "grep -rlF -f /run/planted /etc/crowbar; stat -c %a /etc/crowbar/credential; rm /run/planted"


def catalog() -> Any:
    return read_catalog(
        [shipped_folder("barclamps"), HERE / "barclamps"], [shipped_folder("images")], shipped_folder("engine") / "stages.yml"
    )


def plan(text: str) -> str:
    """The plan's text, with the secret and the roles that take it."""
    out = text.replace("secrets: {", "secrets: {planted-secret: {env: CROWBAR_PLANTED}, ")
    out = out.replace("roles: {", f"roles: {{{', '.join(f'{name}: {where}' for name, where in ROLES.items())}, ")
    assert out.count("planted") == 3
    return out


@contextmanager
def taken(folder: Path) -> Iterator[dict[str, Any]]:
    """The wire of the engine's namespace meanwhile. `end` ends it earlier; what was taken is in FOLDER and under `told`."""
    words = [sys.executable, str(HERE / "wire.py"), str(folder), *INTERFACES]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        about: dict[str, Any] = {"process": process}
        try:
            yield about
        finally:
            end(about)


def end(taken: dict[str, Any]) -> None:
    if process := taken.pop("process", None):
        taken["told"] = json.loads(process.communicate(timeout=120)[0])


def secrets_of(store: Path) -> dict[str, str]:
    """Name -> value of all that must not be seen: what was planted, the keys, and what follows from them for the nodes of the store."""
    folder = store.with_name(store.name + ".keys")
    keys = site_keys(folder)
    out = {"BMC password": PASSWORD, "secret attribute": SECRET, "site key": (folder / "site.key").read_text().strip()}
    out["seal key"] = (folder / "seal.key").read_text().strip()
    for name in ("engine_ed25519", "ca.key", "server.pem"):
        private = (folder / name).read_text().partition("-----BEGIN CERTIFICATE")[0]
        body = [line for line in private.splitlines() if not line.startswith("---") and len(line) >= 40]
        # OpenSSH's form begins with the public key (PROTOCOL.key), that of the others ends with it (RFC 5958), as it stands in the certificate.
        private_lines = range(2, len(body)) if name == "engine_ed25519" else range(2)
        out |= {f"line {i} of {name}": body[i] for i in private_lines}
    with Store.read(store) as reader:
        boots = {
            (k, b["boot_id"]) for row in reader.journal(0, 1_000_000) for t, k, b in row.rows if t == "nodes" and b and b.get("boot_id")
        }
        nodes = [(n.id, n.installation) for n in reader.load()["nodes"].values() if n.kind is Kind.SERVER]  # type: ignore[union-attr]
    for node, boot_id in boots:
        for safe in (True, False):
            out[f"token of {node} in {boot_id}, {safe}"] = keys.token(str(node), str(boot_id), safe=safe).rpartition(".")[2]
    for name, installation in nodes:
        out[f"credential of {name}"] = keys.credential(name, installation).rpartition(".")[2]
    assert nodes
    assert len([name for name in out if name.startswith("token")]) >= 2 * len(nodes)
    assert all(len(value) >= 16 for value in out.values())
    return out


def forms(secret: str) -> set[bytes]:
    """As it is, in base64 wherever it begins, in hexadecimal, and as part of a URL or of JSON."""
    plain = secret.encode()
    out = {
        plain,
        plain.hex().encode(),
        plain.hex().upper().encode(),
        urllib.parse.quote(secret, safe="").encode(),
        urllib.parse.quote_plus(secret).encode(),
    }
    out |= {json.dumps(secret)[1:-1].encode(), secret.replace("/", "\\/").encode()}
    for shift in range(3):
        cut = base64.b64encode(bytes(shift) + plain)
        inner = cut[(0, 2, 3)[shift] : len(cut) - (4 if (shift + len(plain)) % 3 else 0)]  # without what depends on its neighbours
        out |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return out


def found_in(secrets: dict[str, str], places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Name of the secret, place."""
    assert places
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    return sorted((name, place) for place, data in places.items() for name, looks in wanted.items() if any(one in data for one in looks))


def written(store: Path) -> dict[str, bytes]:
    """What the engine and the rack wrote."""
    out = {}
    for root in (store, store.with_name(store.name + ".rack")):
        for path in root.rglob("*"):
            if path.is_file() and path.name != "rack.yml" and path.suffix != ".qcow2" and "images" not in path.relative_to(root).parts:
                out[str(path.relative_to(store.parent))] = path.read_bytes()
    assert any(place.endswith("store.db") for place in out)
    assert any("serial-" in place for place in out)
    return out


def nonces(wire: dict[str, bytes]) -> list[str]:
    """Of all boot scripts that went over the wire."""
    return sorted({found.decode() for data in wire.values() for found in re.findall(rb"crowbar\.nonce=([0-9a-f]{32})", data)})


def search(store: Path, wire: Path, shown: dict[str, bytes]) -> dict[str, Any]:
    """What was found where; empty lists where all is well."""
    sent = {f"wire/{path.name}": path.read_bytes() for path in wire.iterdir()}
    secrets = secrets_of(store)
    kept = written(store)
    everywhere = found_in(secrets, sent | kept | shown)
    # A nonce is in the boot script and on the kernel's command line, which the console shows; it is kept by its hash alone.
    quiet = {place: data for place, data in kept.items() if "serial-" not in place}
    heard = nonces(sent)
    return {
        "found": everywhere,
        "nonces": heard,
        "nonces_kept": found_in({nonce: nonce for nonce in heard}, quiet),
        "searched": {"secrets": len(secrets), "sent": sum(map(len, sent.values())), "written": sum(map(len, kept.values()))},
        "was_there": sorted({what for what, mark in MARKS.items() if any(mark in data for data in sent.values())}),
    }


MARKS = {
    "boot script": b"#!ipxe",
    "image by ticket": b"GET /image/debian-12/",
    "TLS": b"\x16\x03\x01",
    "IPMI": b"\x06\x00\xff\x07",
    "SSH": b"SSH-2.0-",
    "LLDP": b"swp-up",
    "site initramfs": b"GET /boot/site.img",
}
"""What must be in what was taken, or it was not the wire."""


def on_machines(store: Path, world: World, by_ssh: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """What the installed machines show of them: world-readable files, journal and kernel's messages; whether the credential is for root alone, and
    whether the secret of the plan came in both environments, its log masked."""
    patterns = "".join(sorted(f"{one.decode()}\n" for secret in secrets_of(store).values() for one in forms(secret)))

    def one(node: Node) -> dict[str, Any]:
        readable, logged, private = (by_ssh(node.address, *words) for words in ((OUTSIDE, patterns), (JOURNAL,), (PRIVATE,)))
        return {"name": node.name, "readable": readable, "logged": logged, "private": private}

    with ThreadPoolExecutor() as pool:
        out: dict[str, Any] = {"machines": list(pool.map(one, (node for node in world.nodes.values() if node.kind is Kind.SERVER)))}
    gave = {key: str(role.gave.get(f"{key[1]}-sum")) for key, role in world.node_roles.items() if key[1] in ROLES}
    out["arrived"] = sorted(
        f"{node}/{role}" for (node, role), value in gave.items() if value == hashlib.sha256(SECRET.encode()).hexdigest()
    )
    out["masked"] = sum(path.read_bytes().count(b": ***\n") for path in (store / "logs").glob("*.log"))
    return out


def shown(store: Path) -> dict[str, bytes]:
    """What the commands tell."""
    out = {}
    for words in (["events", "--json"], ["events"], ["roles", "--json"], ["nodes", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *words], capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, (words, done)
        out[f"crowbar {' '.join(words)}"] = done.stdout + done.stderr
    return out


def replayed(world: World, nonces: list[str]) -> list[tuple[int, str]]:
    """Somebody who listened says hello with each nonce of the wire, as the first of the nodes; status and body of the answers."""
    node = next(node for node in world.nodes.values() if node.kind is Kind.SERVER)
    out = []
    for nonce in nonces:
        said = {
            "nonce": nonce,
            "boot_id": "another",
            "environment": "sledgehammer",
            "uuid": node.uuid,
            "serial": node.serial,
            "macs": list(node.macs),
        }
        url = f"http://{world.plan.site.admin.address if world.plan else ''}/agent/hello"
        request = urllib.request.Request(url, json.dumps(said).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                out.append((answer.status, answer.read().decode()))
        except urllib.error.HTTPError as refused:
            with refused:
                out.append((refused.code, refused.read().decode()))
    return out
