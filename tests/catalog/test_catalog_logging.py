"""The scripts of the barclamp logging with two real rsyslogd: RELP over TLS, a queue on the disk, one file per node, rotation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.trust.authority import daemon_certificate

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "images" / "node"
ROLES = ROOT / "barclamps" / "logging" / "roles"
ADMIN, CLIENT, STRANGER = "192.168.124.10", "192.168.124.81", "192.168.124.99"
NAME = "node-1.r1.test"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
LIMIT_S = 110

missing = [tool for tool in ("rsyslogd", "logger", "unshare", "ip") if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
if not any(Path(folder).glob("**/omrelp.so") for folder in ("/usr/lib", "/usr/lib64")):
    missing.append("omrelp.so")
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"needs {', '.join(missing)}: apt install rsyslog rsyslog-relp rsyslog-gnutls iproute2"
)

SYSTEMCTL = """#!/bin/sh
# One service of the client's machine: rsyslogd, on the files of its /etc/rsyslog.d.
case "$*" in
*is-active*) kill -0 "$(cat "$CLIENT/pid" 2>/dev/null)" 2>/dev/null ;;
restart*)
    if [ -f "$CLIENT/pid" ]; then
        kill "$(cat "$CLIENT/pid")"
        while kill -0 "$(cat "$CLIENT/pid")" 2>/dev/null; do sleep 0.1; done
    fi
    setsid rsyslogd -n -i "$CLIENT/pid" -f "$CLIENT/rsyslog.conf" </dev/null >>"$CLIENT/out" 2>&1 &
    until [ -S "$CLIENT/log" ] && [ -s "$CLIENT/pid" ]; do sleep 0.1; done
    ;;
esac
"""
SCRIPT = """\
set -u
ip link set lo up && for one in ADMIN CLIENT STRANGER; do ip address add $one/24 dev lo; done || exit 10
step() { "$@" || { echo "failed: $*"; exit 11; }; }
expect() { code=$1; shift; "$@"; got=$?; [ $got = $code ] || { echo "$* ended with $got, not $code"; exit 12; }; }
server() { CROWBAR_ATTEMPT=$2 CROWBAR_GIVES=$WORK/gives.json CROWBAR_ATTRIBUTES=$WORK/server.json sh ROLES/log-server/$1; }
client() { CROWBAR_ROOT=$CLIENT/root CROWBAR_GIVES=$WORK/none.json CROWBAR_ATTRIBUTES=$WORK/client.json PATH=$WORK/tools:$PATH sh ROLES/log-client/$1; }
pid() { cut -d ' ' -f 1 $CROWBAR_STATE/logging/.service/pid; }
say() { logger --socket $CLIENT/log --tag test "$1"; }
file=$CROWBAR_STATE/logging/nodes/NAME.log
has() { tries=0; until grep -q "$1" $file 2>/dev/null; do [ $tries -lt 600 ] || { echo "$1 is not in $file: $(cat $CLIENT/out $CROWBAR_STATE/logging/.service/output)"; exit 13; }; sleep 0.1; tries=$((tries + 1)); done; echo "$1 after $tries tenths of a second"; }

expect 1 server verify 0
step server run 1
expect 0 server verify 1
first=$(pid)
step server run 2
[ "$first" = "$(pid)" ] || { echo "a second run started it again"; exit 14; }
attribute log-server/ca $WORK/gives.json | cmp - $CROWBAR_STATE/.tls/ca.crt || exit 15
printf '{"log-queue":8,"log-server":%s}\\n' "$(attribute log-server $WORK/gives.json)" >$WORK/client.json
step client run
say "one line $(printf '\\033[31mred')"
has "one line"
step client verify
has "log-client sends its logs"
# While the server is away lines wait, and come then.
kill -9 $(pid)
while kill -0 $first 2>/dev/null; do sleep 0.1; done
say "while it was away"
expect 1 server verify 2
step server run 3
expect 0 server verify 3
# rsyslogd notices a lost connection when it sends the next line.
say "when it is back"
has "while it was away"
has "when it is back"
# A stranger's address has no file.
[ "$(ls $CROWBAR_STATE/logging/nodes)" = NAME.log ] || { ls $CROWBAR_STATE/logging/nodes; exit 16; }
# A full file is moved aside, and the next line begins a new one.
head -c 1200000 /dev/zero | tr '\\0' x >>$file
expect 0 server verify 3
[ -s $file.1 ] || { echo "a full file stays"; exit 17; }
say "after the rotation"
has "after the rotation"
[ "$(wc -c <$file)" -lt 100000 ] || exit 18
echo "# by hand" >>$CROWBAR_STATE/logging/rsyslog.conf
expect 65 server verify 3
step server run 4
expect 0 server verify 4
echo "# by hand" >>$CLIENT/root/etc/rsyslog.d/60-crowbar.conf
expect 65 client verify
step client run
step client verify
"""


def test_a_line_of_a_node_is_read_on_the_admin_node(tmp_path: Path) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    work, client, state = tmp_path / "work", tmp_path / "client", tmp_path / "state"
    (work / "tools").mkdir(parents=True)
    for folder in ("etc/rsyslog.d", "var/spool"):
        (client / "root" / folder).mkdir(parents=True)
    (client / "root/proc").symlink_to("/proc")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    daemon_certificate(keys, state / ".tls", "crowbar-logging")
    (work / "tools/systemctl").write_text(SYSTEMCTL)
    (work / "tools/logger").write_text(f'#!/bin/sh\nexec {shutil.which("logger")} --socket "$CLIENT/log" "$@"\n')
    for tool in (work / "tools").iterdir():
        tool.chmod(0o755)
    (client / "rsyslog.conf").write_text(
        f'global(workDirectory="{client}")\n'
        f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{client}/log")\n'
        f'include(file="{client}/root/etc/rsyslog.d/*.conf")\n'
    )
    nodes = [
        {"node": NAME, "role": "log-client", "value": {"address": ADMIN}},
        {"node": "late.r1.test", "role": "log-client", "value": None},
    ]
    attributes = {"log-keep": {"megabytes": 1, "files": 2, "days": 30, "total": 100}, "admin-address": ADMIN, "logging": {"nodes": nodes}}
    (work / "server.json").write_text(json.dumps(attributes))
    environment = {
        "PATH": f"{NODE}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "CROWBAR_STATE": str(state),
        "CROWBAR_REHEARSAL": "namespace",
        "WORK": str(work),
        "CLIENT": str(client),
    }
    script = SCRIPT
    for word, value in (("ROLES", str(ROLES)), ("NAME", NAME), ("ADMIN", ADMIN), ("CLIENT ", f"{CLIENT} "), ("STRANGER", STRANGER)):
        script = script.replace(word, value)
    done = subprocess.run([*UNSHARE, "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [one for one in (state / f"logging/nodes/{NAME}.log.1").read_text().splitlines() if "one line" in one]
    assert "\033" not in line
    assert "test: one line #033[31mred" in line
    assert "rsyslog.conf was changed by hand" in done.stdout
