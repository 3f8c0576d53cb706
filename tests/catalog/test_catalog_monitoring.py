"""The scripts of the barclamp monitoring with real Nagios, real NRPE and real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.core.monitor.nagios import objects
from engine.wire.nagios_status import NagiosStatus, parse_status

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "images" / "node"
ROLES = ROOT / "barclamps" / "monitoring" / "roles"
PLUGINS = Path("/usr/lib/nagios/plugins")
PATH = f"{NODE}:{os.environ['PATH']}:/usr/sbin:/sbin"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
LIMIT_S = 110

needs = {
    "nagios4": "nagios4-core",
    str(PLUGINS / "check_tcp"): "monitoring-plugins-basic",
    str(PLUGINS / "check_nrpe"): "nagios-nrpe-plugin",
    "ip": "iproute2",
}
missing = [package for program, package in needs.items() if shutil.which(program, path=PATH) is None]
with_nagios = pytest.mark.skipif(bool(missing), reason=f"Nagios is not installed: apt install {' '.join(missing)}")

HEAD = """\
set -u
ip link set lo up && ip address add 192.168.124.10/24 dev lo && ip address add 192.168.124.81/24 dev lo || exit 10
step() { "$@" || { echo "failed: $*"; exit 11; }; }
expect() { code=$1; shift; "$@"; got=$?; [ $got = $code ] || { echo "$* ended with $got, not $code"; exit 12; }; }
server() { CROWBAR_ATTEMPT=$2 CROWBAR_GIVES=$WORK/gives.json CROWBAR_ATTRIBUTES=$WORK/$3.json sh ROLES/monitor-server/$1; }
pid() { cut -d ' ' -f 1 $CROWBAR_STATE/nagios/.service/pid; }
# saw SERVICE STATE: waits until Nagios says so of a service that it believes.
saw() {
    tries=0
    until awk -v s="$1" -v w="$2" '
        /service_description=/ { name = $0; sub(/.*=/, "", name); seen = 0 }
        /has_been_checked=1/ { seen = 1 }
        /current_state=/ { state = $0; sub(/.*=/, "", state) }
        /state_type=1/ { if (name == s && seen && state == w) found = 1 }
        END { exit !found }' $CROWBAR_STATE/nagios/var/status.dat 2>/dev/null; do
        tries=$((tries + 1)); [ $tries -lt 600 ] || { echo "$1 is not $2"; cat $CROWBAR_STATE/nagios/.service/output; exit 13; }
        sleep 0.1
    done
}
python3 -m http.server 22 --bind 192.168.124.81 >/dev/null 2>&1 &
python3 -m http.server 8080 --bind 192.168.124.81 >/dev/null 2>&1 &
web=$!
"""
DAEMON = """\
expect 1 server verify 0 one
step server run 1 one
expect 0 server verify 1 one
first=$(pid)
step server run 2 one
[ "$first" = "$(pid)" ] || { echo "a second run started it again"; exit 14; }
saw web/http 0
step server run 3 two
[ "$first" = "$(pid)" ] || { echo "another node started it again"; exit 15; }
expect 0 server verify 3 two
kill -9 $first
while kill -0 $first 2>/dev/null; do sleep 0.1; done
expect 1 server verify 3 two
step server run 4 two
expect 0 server verify 4 two
echo "# by hand" >>$CROWBAR_STATE/nagios/objects.cfg
expect 65 server verify 4 two
step server run 5 two
expect 0 server verify 5 two
saw web/http 0
"""
RED = """\
step server run 1 one
saw web/http 0
date +%s >$WORK/killed
kill $web
saw web/http 2
cp $CROWBAR_STATE/nagios/var/status.dat $WORK/red.dat
python3 -m http.server 8080 --bind 192.168.124.81 >/dev/null 2>&1 &
saw web/http 0
cp $CROWBAR_STATE/nagios/var/status.dat $WORK/good.dat
"""
LONG = """\
mount -t tmpfs none /run || exit 14
step server run 1 one
saw web/http 0
socket=$(sed -n 's/^query_socket=//p' $CROWBAR_STATE/nagios/nagios.cfg)
[ -S "$socket" ] || { echo "there is no socket $socket"; exit 15; }
[ "$(stat -c %a "${socket%/*}")" = 700 ] || { echo "others can enter the folder of $socket"; exit 16; }
expect 0 server verify 1 one
step server run 2 one
chmod 755 "${socket%/*}"
expect 1 server run 3 one
"""


def attributes(interval_s: int, *more: str) -> str:
    here = {
        "address": "192.168.124.10",
        "here": True,
        "deployment": "system",
        "checks": [["disk", "disk", "", "check_disk -w 1% -c 1% -p /", "s.disk"]],
    }
    web = {"address": "192.168.124.81", "here": False, "deployment": "cloud", "checks": [["http", "http", "-p 8080 -u /", "", ""]]}
    entries: list[dict[str, Any]] = [{"node": "admin.r1", "role": "monitor-server", "value": here}]
    entries += [{"node": name, "role": "web", "value": web} for name in ("node-1.r1", *more)]
    return json.dumps({"monitor": {"objects": objects(entries, interval_s).splitlines()}, "monitor-interval": interval_s})


def in_namespace(folder: Path, script: str, one: str, two: str) -> Path:
    """Runs the script with the role's attributes `one` and `two`. Returns its folder."""
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    work = folder / "work"
    work.mkdir()
    (work / "one.json").write_text(one)
    (work / "two.json").write_text(two)
    environment = {"PATH": PATH, "CROWBAR_STATE": str(folder / "state"), "CROWBAR_REHEARSAL": "namespace", "WORK": str(work)}
    words = [*UNSHARE, "sh", "-c", (HEAD + script).replace("ROLES", str(ROLES))]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    gave = json.loads((work / "gives.json").read_text())
    assert gave == {"monitor-status": f"{folder}/state/nagios/var/status.dat"}
    return work


@with_nagios
def test_nagios_runs_takes_its_files_and_is_looked_after(tmp_path: Path) -> None:
    in_namespace(tmp_path, DAEMON, attributes(2), attributes(2, "node-2.r1"))


@with_nagios
def test_below_a_long_path_its_socket_is_in_a_folder_that_nobody_else_enters(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-name-" * 10)
    folder.mkdir()
    in_namespace(folder, LONG, attributes(2), attributes(2))


def of_web(status: NagiosStatus) -> tuple[int, bool, str]:
    found = next(one for one in status.verdicts if one.service == "web/http")
    return found.state, found.hard, found.text


@with_nagios
@pytest.mark.slow
def test_a_killed_service_is_red_within_a_minute_and_good_again(tmp_path: Path) -> None:
    """With the interval that a rack has by default."""
    work = in_namespace(tmp_path, RED, attributes(20), attributes(20))
    red, good = (parse_status((work / name).read_bytes()) for name in ("red.dat", "good.dat"))
    state, hard, text = of_web(red)
    assert (state, hard) == (2, True)
    assert "refused" in text
    assert red.created - float((work / "killed").read_text()) < 60
    assert {one.state for one in good.verdicts} == {0}


NAMES = """\
ip link set lo up
ask() { sh ROLES/monitor-server/check_lookup 127.0.0.1 "$1"; echo "$?"; }
ask r1.example.net
named -f -c $WORK/named.conf >/dev/null 2>&1 &
tries=0
until sh ROLES/monitor-server/check_lookup 127.0.0.1 r1.example.net >/dev/null; do
    tries=$((tries + 1)); [ $tries -lt 60 ] || exit 10
    sleep 0.2
done
ask r1.example.net
ask elsewhere.example
"""


@pytest.mark.skipif(
    not all(shutil.which(one, path=PATH) for one in ("named", "dig", "ip")),
    reason="BIND is not installed: apt install bind9 bind9-dnsutils",
)
def test_a_name_server_is_asked_for_the_name(tmp_path: Path) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    (tmp_path / "zone").write_text("$TTL 60\n@ IN SOA ns a (1 60 60 60 60)\n@ IN NS ns\nns IN A 127.0.0.1\n")
    (tmp_path / "named.conf").write_text(
        f'options {{ directory "{tmp_path}"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; pid-file none;\n'
        f'session-keyfile none; }};\nzone "r1.example.net" {{ type primary; file "{tmp_path}/zone"; }};\n'
    )
    words = [*UNSHARE, "sh", "-c", NAMES.replace("ROLES", str(ROLES))]
    done = subprocess.run(words, env={"PATH": PATH, "WORK": str(tmp_path)}, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.stdout.splitlines() == [
        "DNS CRITICAL - 127.0.0.1 does not answer",
        "2",
        "DNS OK - 127.0.0.1 knows r1.example.net",
        "0",
        "DNS CRITICAL - 127.0.0.1 answers REFUSED for elsewhere.example",
        "2",
    ], done.stderr


# -- on the node ---------------------------------------------------------------------------------------------------

with_nrpe = pytest.mark.skipif(
    shutil.which("nrpe", path=PATH) is None or not (PLUGINS / "check_nrpe").exists(),
    reason="NRPE is not installed: apt install nagios-nrpe-server nagios-nrpe-plugin",
)
CHECKS = [
    {"command": "here.process", "plugin": "check_procs", "arguments": "-c 1: -C nrpe"},
    {"command": "gone.process", "plugin": "check_procs", "arguments": "-c 1: -C no-such-process"},
]


def client_files(machine: Any, admin: str) -> str:
    """Runs monitor-client on a folder. Returns the configuration of NRPE that it wrote, on a free port and in that folder."""
    machine.tool("systemctl", 'case "$*" in *is-active*) [ -e "$CROWBAR_ROOT/active" ] ;; restart*) : >"$CROWBAR_ROOT/active" ;; esac')
    machine.tool("openssl", f'exec {shutil.which("openssl")} "$@"')
    machine.tool("chgrp", "")
    for path in ("usr/sbin/nrpe", "usr/lib/nagios/plugins/check_procs", "usr/bin/prometheus-node-exporter"):
        machine.write(path)
    wanted = {"admin-address": admin, "admin-network": {"address": "127.0.0.1"}, "node-checks": CHECKS}
    done = machine.run("monitor-client", wanted)
    assert (done.code, done.gives) == (0, {}), done.err
    assert machine.run("monitor-client", wanted, "verify").code == 0
    text = str(machine.read("etc/nagios/crowbar-nrpe.cfg"))
    return text.replace("=/etc/nagios/", f"={machine.root}/etc/nagios/").replace("server_port=5666", f"server_port={free_port()}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def ask(port: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PLUGINS / "check_nrpe", "-H", "127.0.0.1", "-p", port, "-t", "20", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def nrpe(machine: Any, text: str) -> Iterator[str]:
    """Real NRPE with this configuration. Gives its port. It refuses to be root, so as root it becomes the user that it has on a node."""
    user = "nagios" if os.getuid() == 0 else str(os.getuid())
    if os.getuid() == 0 and "nagios:" not in Path("/etc/passwd").read_text():
        pytest.skip("there is no user nagios: apt install nagios-nrpe-server")
    text = text.replace("_user=nagios", f"_user={user}").replace("_group=nagios", f"_group={user if user == 'nagios' else os.getgid()}")
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="crowbar-nrpe-"))
    folder.chmod(0o755)
    for name in ("crt", "key"):
        shutil.copy(machine.root / f"etc/nagios/crowbar-nrpe.{name}", folder / f"crowbar-nrpe.{name}")
        (folder / f"crowbar-nrpe.{name}").chmod(0o644)
    (folder / "nrpe.cfg").write_text(text.replace(f"{machine.root}/etc/nagios", str(folder)) + f"\npid_file={folder}/pid\n")
    port = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("server_port="))
    daemon = subprocess.Popen([shutil.which("nrpe", path=PATH) or "", "-4", "-c", folder / "nrpe.cfg", "-f"])
    try:
        end = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=5):
                break
            assert time.monotonic() < end, "NRPE does not listen"
            assert daemon.poll() is None, "NRPE ended"
            time.sleep(0.05)
        yield port
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(folder)


@with_nrpe
def test_nrpe_runs_only_the_commands_of_the_barclamps_over_tls(machine: Any) -> None:
    with nrpe(machine, client_files(machine, "127.0.0.1")) as port:
        good, gone = ask(port, "-c", "here.process"), ask(port, "-c", "gone.process")
        assert (good.returncode, good.stdout.split(":")[0]) == (0, "PROCS OK")
        assert (gone.returncode, gone.stdout.split(":")[0]) == (2, "PROCS CRITICAL")
        assert ask(port, "-c", "check_load").returncode == 3
        assert ask(port, "-c", "here.process", "-a", "x").returncode == 3, "it took an argument"
        assert ask(port, "-n", "-c", "here.process").returncode == 3, "it answered without TLS"


@with_nrpe
def test_nrpe_answers_nobody_but_the_admin_node(machine: Any) -> None:
    with nrpe(machine, client_files(machine, "192.168.124.10")) as port:
        assert ask(port, "-c", "here.process").returncode != 0


def test_a_file_that_was_changed_by_hand_is_named_and_a_run_puts_it_right(machine: Any) -> None:
    client_files(machine, "127.0.0.1")
    wanted = {"admin-address": "127.0.0.1", "admin-network": {"address": "127.0.0.1"}, "node-checks": CHECKS}
    for path in ("etc/nagios/crowbar-nrpe.cfg", "etc/systemd/system/nagios-nrpe-server.service.d/crowbar.conf"):
        machine.write(path, "by hand\n")
        looked = machine.run("monitor-client", wanted, "verify")
        assert (looked.code, looked.out) == (65, f"{machine.root}/{path} was changed by hand\n")
        assert machine.run("monitor-client", {**wanted, "admin-address": "10.0.0.9"}, "verify").code == 1, "the plan changed too"
        assert machine.run("monitor-client", wanted).code == 0
        assert machine.run("monitor-client", wanted, "verify").code == 0
    assert "IPAddressDeny=any\nIPAddressAllow=127.0.0.1 localhost\n" in machine.read(path)


# -- trends --------------------------------------------------------------------------------------------------------

TRENDS = """\
set -u
ip link set lo up && ip address add 192.168.124.81/24 dev lo || exit 10
prometheus-node-exporter --web.listen-address=192.168.124.81:9100 >/dev/null 2>&1 &
CROWBAR_ATTEMPT=1 sh ROLES/trends-server/run || exit 11
sh ROLES/trends-server/verify || exit 12
tries=0
until curl -fsS 'http://127.0.0.1:9090/api/v1/targets?state=active' 2>/dev/null | grep -q '"health":"up"'; do
    tries=$((tries + 1)); [ $tries -lt 600 ] || exit 13
    sleep 0.1
done
curl -fsS 'http://127.0.0.1:9090/api/v1/targets?state=active' >$WORK/targets.json
cut -d ' ' -f 1 $CROWBAR_STATE/prometheus/.service/pid | xargs kill -9
sh ROLES/trends-server/verify && exit 14
exit 0
"""
trends_missing = [one for one in ("prometheus", "prometheus-node-exporter", "curl") if shutil.which(one, path=PATH) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(trends_missing), reason=f"Prometheus is not installed: apt install {' '.join(trends_missing)}")
def test_prometheus_measures_the_nodes(tmp_path: Path) -> None:
    """Slow, because it asks only every 30 seconds."""
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    wanted = {
        "admin-address": "192.168.124.10",
        "trends-listen": "loopback",
        "trends-days": 30,
        "trends-gigabytes": 1,
        "trends": {"nodes": [{"node": "node-1.r1", "role": "monitor-client", "value": {"address": "192.168.124.81"}}]},
    }
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    environment = {
        "PATH": PATH,
        "CROWBAR_STATE": str(tmp_path / "state"),
        "CROWBAR_REHEARSAL": "namespace",
        "CROWBAR_GIVES": str(tmp_path / "gives.json"),
        "CROWBAR_ATTRIBUTES": str(tmp_path / "wanted.json"),
        "WORK": str(tmp_path),
    }
    words = [*UNSHARE, "sh", "-c", TRENDS.replace("ROLES", str(ROLES))]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "gives.json").read_text()) == {"trends-url": "http://127.0.0.1:9090"}
    (target,) = json.loads((tmp_path / "targets.json").read_text())["data"]["activeTargets"]
    assert target["labels"] == {"instance": "192.168.124.81:9100", "job": "nodes", "node": "node-1.r1"}
