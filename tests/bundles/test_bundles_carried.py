"""A bundle is carried to a machine without any route. There a rack of six becomes ready from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from apt_site import MISSING, AptSite
from bundle_lab import PLAN_PACKAGES, with_greeter

LIMIT_S = 280
ROUTELESS = """
set -eu
ip link set lo up
test -z "$(ip route show)"
"$0" -m crowbar_tui.cli --store "$1" bundle open "$2" --key "$3"
exec "$0" -m crowbar_tui.cli --store "$1" replay "$1/bundle/plan.yml" --rehearse simulated:6 --json --timeout "$4"
"""


def namespaces() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "-Urn", "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.client
@pytest.mark.net
@pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} is missing: apt install apt gnupg dpkg")
@pytest.mark.skipif(not namespaces(), reason="this system allows no network namespace (unshare -Urn), or lacks iproute2")
def test_a_rack_of_six_becomes_ready_from_a_bundle_without_a_route(tmp_path: Path) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "rack.crowbar"
    plan = with_greeter(here, tmp_path)
    site = AptSite(tmp_path / "site", PLAN_PACKAGES | {"alpha": "beta", "beta": ""})
    try:
        words = ["--mirror", f"debian-12={site.url}", "--keys", str(site.keys), "--without", "images", "--without", "wheels", "--json"]
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(here), "bundle", "create", str(plan), "-o", str(file), *words]
        made = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()[-1])
    finally:
        site.stop()
    shutil.rmtree(here)
    words = ["unshare", "-Urn", "sh", "-c", ROUTELESS, sys.executable, str(there), str(file), made["key"], str(LIMIT_S)]
    environment = os.environ | {"CROWBAR_BMC_PASSWORD": "rehearsal", "HOME": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S + 60, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["type"], summary["nodes"], summary["ready"]) == ("summary", 6, 6)
