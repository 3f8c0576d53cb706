"""Bundles made of bytes, and a site with a barclamp of its own, for the tests of bundles."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

from engine.bundles.manifest import Manifest, Part
from engine.bundles.tape import write
from engine.files.clamps.shelf import import_source
from engine.files.clamps.sources import from_path
from engine.trust.bundle_key import BundleKey

KEY = BundleKey(b"k" * 32)
PLAN = Path(__file__).resolve().parents[2] / "crowbar_tui/plans/six-nodes.yml"
PARTS = {
    "images/loader/SHA256SUMS": b"the sums\n",
    "images/loader/ipxe.efi": bytes(range(256)) * 5,
    "packages/deb.debian.org/debian/dists/bookworm/InRelease": b"signed by Debian\n",
    "packages/deb.debian.org/debian/pool/main/a/alpha/alpha_1%3a1.0_all.deb": b"",
    "plan.yml": b"crowbar: 1\n",
    "wheels/crowbar_tui-0.2.0-py3-none-any.whl": b"x" * 512,
}
PLAN_PACKAGES = dict.fromkeys(("bind9", "bind9-dnsutils", "bind9-utils", "chrony", "etcd-client", "etcd-server"), "")
"""Packages of the roles that PLAN has, as `AptSite` takes them."""


def manifest_of(parts: Mapping[str, bytes], **more: object) -> Manifest:
    rows = tuple(Part(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for name, data in sorted(parts.items()))
    return Manifest(format=1, program="0.2.0", site="r07", parts=rows, **more)  # type: ignore[arg-type]


def bundle(parts: Mapping[str, bytes] = PARTS, key: BundleKey = KEY) -> bytes:
    out = io.BytesIO()
    write(out, manifest_of(parts), key, lambda part: io.BytesIO(parts[part.name]))
    return out.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and "lock" not in path.name
    }


CLAMP = """
barclamp: {name: greeter, version: 1, description: A role with packages., requires: [network]}
roles:
  - name: greeter
    description: Needs a package.
    stage: system
    jig: script
    requires: [{role: network-admin, on: same}]
    precedes: [ready]
    packages: {debian: [alpha]}
"""
REHEARSAL = """
from engine.racks.simulated.machine import Machine, Result, Task


async def greeter(machine: Machine, task: Task) -> Result:
    await task.work(1.0)
    return Result() if "alpha" in machine.system.packages else Result(exit=1, message="alpha is not installed")


ROLES = {"greeter": greeter}
"""


def with_greeter(store: Path, folder: Path) -> Path:
    """Imports a barclamp whose role needs the package alpha, and returns a plan that gives it to six servers."""
    place = folder / "greeter"
    (place / "roles/greeter").mkdir(parents=True)
    (place / "barclamp.yml").write_text(CLAMP)
    (place / "rehearsal.py").write_text(REHEARSAL)
    run = place / "roles/greeter/run"
    run.write_text("#!/bin/sh\nexit 0\n")
    run.chmod(0o755)
    import_source(store, from_path(place))
    plan = folder / "plan.yml"
    plan.write_text(PLAN.read_text().replace("ntp-client: all\n", "ntp-client: all\n      greeter: all\n"))
    assert "greeter: all" in plan.read_text()
    return plan
