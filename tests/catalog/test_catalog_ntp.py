"""The scripts of the barclamp ntp with real chronyd: a server in a network namespace, and a client that follows it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "images" / "node"
ROLES = ROOT / "barclamps" / "ntp" / "roles"
ADDRESS = "192.168.124.10"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
LIMIT_S = 100

missing = [tool for tool in ("chronyd", "chronyc", "unshare", "ip") if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: apt install chrony iproute2")

SYSTEMCTL = """#!/bin/sh
# One service of the client's machine: chronyd, on the file that Debian's chrony.conf would read.
case "$*" in
*is-active*) kill -0 "$(cat "$CLIENT/pid" 2>/dev/null)" 2>/dev/null ;;
restart*)
    [ ! -f "$CLIENT/pid" ] || kill "$(cat "$CLIENT/pid")"
    setsid chronyd -x -U -u root -d -f "$CLIENT/chrony.conf" </dev/null >"$CLIENT/log" 2>&1 &
    ;;
esac
"""
SCRIPT = """\
set -u
ip link set lo up && ip address add ADDRESS/24 dev lo || exit 10
step() { "$@" || { echo "failed: $*"; exit 11; }; }
expect() { code=$1; shift; "$@"; got=$?; [ $got = $code ] || { echo "$* ended with $got, not $code"; exit 12; }; }
server() { CROWBAR_ATTEMPT=$2 CROWBAR_GIVES=$WORK/gives.json CROWBAR_ATTRIBUTES=$WORK/server.json sh ROLES/ntp-server/$1; }
client() { CROWBAR_ROOT=$CLIENT/root CROWBAR_GIVES=$WORK/gives.json CROWBAR_ATTRIBUTES=$WORK/client.json PATH=$WORK/tools:$PATH sh ROLES/ntp-client/$1; }
pid() { cut -d ' ' -f 1 $CROWBAR_STATE/ntp/.service/pid; }

expect 1 server verify 0
step server run 1
step cmp $WORK/gives.json $WORK/wanted.json
expect 0 server verify 1
first=$(pid)
step server run 2
[ "$first" = "$(pid)" ] || { echo "a second run started it again"; exit 13; }
step client run
step client verify
chronyc -h $CLIENT/chronyd.sock -n -c tracking >$WORK/tracking
kill -9 $(pid)
while kill -0 $first 2>/dev/null; do sleep 0.1; done
expect 1 server verify 2
step server run 3
expect 0 server verify 3
echo "# by hand" >>$CROWBAR_STATE/ntp/chrony.conf
expect 65 server verify 3
step server run 4
expect 0 server verify 4
kill -9 $(cat $CLIENT/pid); rm $CLIENT/pid
expect 1 client verify
"""


def test_a_client_follows_the_server_of_the_admin_node(tmp_path: Path) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    work, client = tmp_path / "work", tmp_path / "client"
    (work / "tools").mkdir(parents=True)
    (client / "root/etc/chrony").mkdir(parents=True)
    client.chmod(0o700)
    (work / "tools/systemctl").write_text(SYSTEMCTL)
    (work / "tools/chronyc").write_text(f'#!/bin/sh\nexec {shutil.which("chronyc")} -h "$CLIENT/chronyd.sock" "$@"\n')
    for tool in (work / "tools").iterdir():
        tool.chmod(0o755)
    (client / "chrony.conf").write_text(
        f"sourcedir {client}/root/etc/chrony/sources.d\nport 0\ncmdport 0\nbindcmdaddress {client}/chronyd.sock\npidfile {client}/pid\n"
    )
    server = {"ntp-upstream": [], "ntp-serve": True, "admin-address": ADDRESS, "admin-subnets": ["192.168.124.0/24"]}
    (work / "server.json").write_text(json.dumps(server))
    (work / "client.json").write_text(json.dumps({"ntp-servers": [ADDRESS]}))
    (work / "wanted.json").write_text(json.dumps({"ntp-servers": [ADDRESS]}, separators=(",", ":")) + "\n")
    environment = {
        "PATH": f"{NODE}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "CROWBAR_STATE": str(tmp_path / "state"),
        "CROWBAR_REHEARSAL": "namespace",
        "WORK": str(work),
        "CLIENT": str(client),
    }
    script = SCRIPT.replace("ROLES", str(ROLES)).replace("ADDRESS", ADDRESS)
    done = subprocess.run([*UNSHARE, "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "tracking").read_text().split(",")[1:3] == [ADDRESS, "11"], "it follows the server, one stratum below"
    assert "follows its own clock, at stratum 10" in done.stdout
    assert "chrony.conf was changed by hand: it differs from line" in done.stdout
