"""Real Nagios in a rehearsal: all hosts are up, a machine without power is a finding within a minute, and so is a killed process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from engine.racks.namespace import why_not

PLUGINS = Path("/usr/lib/nagios/plugins")
DRIVER = Path(__file__).with_name("monitored_rack.py")
LIMIT_S = 900
installed = shutil.which("nagios4", path="/usr/sbin:/usr/bin") and (PLUGINS / "check_nrpe").exists() and (PLUGINS / "check_tcp").exists()


@pytest.mark.slow
@pytest.mark.net
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.skipif(not installed, reason="Nagios is not installed: apt install nagios4-core monitoring-plugins-basic nagios-nrpe-plugin")
def test_what_fails_is_a_finding_within_a_minute_and_ends_with_its_cause() -> None:
    if found := why_not():
        pytest.skip(found)
    with tempfile.TemporaryDirectory(prefix="crowbar") as short:  # Nagios' socket has a path of at most 107 characters
        words = [sys.executable, str(DRIVER), f"{short}/store"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["took"]["nagios again"] < 60
    assert told["took"]["host red"] < 60
    assert told["took"]["check red"] < 60
    assert told["findings"] == []
