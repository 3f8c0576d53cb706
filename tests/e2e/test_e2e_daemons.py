"""The real engine with real daemons on its admin node, in a network namespace: what dies is repaired, and what a person changes is a finding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNSHARE = ["unshare", "--user", "--map-root-user", "--net"]
PATH = f"{os.environ['PATH']}:/usr/sbin"
missing = [tool for tool in ("chronyd", "chronyc", "rsyslogd", "unshare", "ip") if shutil.which(tool, path=PATH) is None]
if not any(Path(folder).glob("**/imrelp.so") for folder in ("/usr/lib", "/usr/lib64")):
    missing.append("imrelp.so")
pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(
        bool(missing), reason=f"needs {', '.join(missing)}: apt install chrony rsyslog rsyslog-relp rsyslog-gnutls iproute2"
    ),
]


def test_the_admin_nodes_daemons_are_repaired_and_changes_by_hand_are_found(tmp_path: Path) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    owner = subprocess.Popen(["sleep", "1000"])
    (tmp_path / "owner.pid").write_text(f"{owner.pid}\n")
    words = [*UNSHARE, sys.executable, str(Path(__file__).with_name("daemons_alone.py")), str(tmp_path / "store"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        told = {one["role"]: one for one in map(json.loads, done.stdout.splitlines())}
        assert set(told) == {"ntp-server", "log-server"}
        assert "chrony.conf was changed by hand" in told["ntp-server"]["finding"]
        assert "rsyslog.conf was changed by hand" in told["log-server"]["finding"]
        pids = [int((tmp_path / f"store/services/{name}/.service/pid").read_text().split()[0]) for name in ("ntp", "logging")]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids), "daemons outlive the engine"
    finally:
        owner.kill()
        owner.wait()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "daemons outlive the rack"
        time.sleep(0.1)


def test_the_daemons_of_a_killed_engine_end_and_the_next_engine_runs_them_again(tmp_path: Path) -> None:
    """Without systemd. The second engine finds a store whose roles are active, and no daemon."""
    if Path("/run/systemd/system").exists():
        pytest.skip("systemd runs here")
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    words = [*UNSHARE, sys.executable, str(Path(__file__).with_name("daemons_alone.py")), str(tmp_path / "store")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH}
    seen: list[int] = []
    for _ in range(2):
        done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False, env=environment)
        assert done.returncode == -9, done.stdout + done.stderr
        pids = json.loads(done.stdout)
        assert not set(pids) & set(seen)
        seen += pids
        end = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < end, "daemons outlive a killed engine"
            time.sleep(0.1)
