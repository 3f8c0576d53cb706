"""The ntp and example scripts with stand-in tools on machines that are folders."""

from __future__ import annotations

from typing import Any

import daemons
import pytest

# -- ntp ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upstream", "servers"), [([], ["192.168.124.10"]), (["0.debian.pool.ntp.org", "10.0.0.1"], ["0.debian.pool.ntp.org", "10.0.0.1"])]
)
def test_ntp_server_names_servers(machine: Any, upstream: list[str], servers: list[str]) -> None:
    wanted = {"ntp-upstream": upstream, "ntp-serve": False, "admin-address": "192.168.124.10", "admin-subnets": []}
    done = machine.run("ntp-server", wanted)
    assert (done.code, done.gives) == (0, {"ntp-servers": servers})
    assert not (machine.folder / "state").exists()


def test_ntp_server_runs_chronyd(machine: Any) -> None:
    wanted = {
        "ntp-upstream": ["10.0.0.1"],
        "ntp-serve": True,
        "admin-address": "192.168.124.10",
        "admin-subnets": ["192.168.124.0/24", "10.1.0.0/20"],
    }
    missing = machine.run("ntp-server", wanted)
    assert missing.code == 1
    assert "install chrony" in missing.err
    machine.tool("service", daemons.SERVICE)
    machine.tool("chronyc", "echo 0A000001,10.0.0.1,3,0,0,0,0")
    done = machine.run("ntp-server", wanted)
    assert (done.code, done.gives) == (0, {"ntp-servers": ["192.168.124.10"]})
    assert "chronyd follows 10.0.0.1, at stratum 3" in done.out
    conf = machine.folder / "state/ntp/chrony.conf"
    assert conf.read_text().splitlines()[:4] == [
        "server 10.0.0.1 iburst",
        "allow 192.168.124.0/24",
        "allow 10.1.0.0/20",
        "local stratum 10",
    ]
    assert [call for call in machine.calls if call.startswith("service up ntp -- chronyd -x")]
    machine.tool("chronyc", "echo 7F7F0101,,10,0,0,0,0")
    assert "follows its own clock, at stratum 10" in machine.run("ntp-server", wanted).out
    assert machine.run("ntp-server", wanted, "verify").code == 0
    machine.tool("chronyc", "exit 1")
    assert machine.run("ntp-server", wanted, "verify").code == 1


SYSTEMCTL = r"""
case "$*" in
*is-active*) [ -e "$CROWBAR_ROOT/active" ] ;;
restart*) : >"$CROWBAR_ROOT/active" ;;
esac
"""


@pytest.mark.parametrize(
    ("chrony", "file", "content"),
    [
        (True, "etc/chrony/sources.d/crowbar.sources", "server 10.0.0.1 iburst\nserver ntp.example iburst\n"),
        (False, "etc/systemd/timesyncd.conf.d/crowbar.conf", "[Time]\nNTP=10.0.0.1 ntp.example\n"),
    ],
)
def test_ntp_client(machine: Any, chrony: bool, file: str, content: str) -> None:
    machine.tool("systemctl", SYSTEMCTL)
    if chrony:
        (machine.root / "etc/chrony").mkdir(parents=True)
    wanted = {"ntp-servers": ["10.0.0.1", "ntp.example"]}
    assert machine.run("ntp-client", wanted, "verify").code == 1
    done = machine.run("ntp-client", wanted)
    assert (done.code, done.gives) == (0, {}), done.err
    assert machine.read(file) == content
    assert machine.run("ntp-client", wanted, "verify").code == 0
    before = len([call for call in machine.calls if "restart" in call])
    assert machine.run("ntp-client", wanted).code == 0
    assert len([call for call in machine.calls if "restart" in call]) == before == 1
    (machine.root / "active").unlink()
    assert "is not running" in machine.run("ntp-client", wanted, "verify").err
    (machine.root / "active").touch()
    machine.write(file, "by hand\n")
    looked = machine.run("ntp-client", wanted, "verify")
    assert (looked.code, looked.out) == (65, f"{machine.root}/{file} was changed by hand\n")
    assert machine.run("ntp-client", wanted).code == 0
    assert machine.run("ntp-client", wanted, "verify").code == 0
    machine.write(file, "by hand\n")
    assert machine.run("ntp-client", {"ntp-servers": ["10.0.0.2"]}, "verify").code == 1, "the servers changed too"


def test_ntp_client_without_servers(machine: Any) -> None:
    assert machine.run("ntp-client", {"ntp-servers": []}).code == 2
    assert machine.run("ntp-client", {"ntp-servers": ["a b\nroot"]}).code == 2


def test_the_example(machine: Any) -> None:
    machine.write("etc/motd", "old\n")
    wanted = {"example-message": 'It\'s "so"', "hostname": "node-1"}
    assert machine.run("example-motd", wanted, "verify").code == 1
    done = machine.run("example-motd", wanted)
    assert done.gives == {"example-shown": 'It\'s "so"'}
    assert "for node-1" in done.out
    assert machine.run("example-motd", wanted).out == ""
    assert machine.run("example-motd", wanted, "verify").gives == done.gives


def test_chrony_with_one_file(machine: Any) -> None:
    machine.tool("systemctl", SYSTEMCTL)
    machine.write("etc/chrony.conf", "driftfile /var/lib/chrony/drift\n")
    wanted = {"ntp-servers": ["10.0.0.1"]}
    assert machine.run("ntp-client", wanted, "verify").code == 1
    for _ in range(2):
        assert machine.run("ntp-client", wanted).code == 0
    assert machine.read("etc/chrony.conf").splitlines()[1:] == ["sourcedir /etc/chrony.sources.d"]
    assert machine.read("etc/chrony.sources.d/crowbar.sources") == "server 10.0.0.1 iburst\n"
    assert [call for call in machine.calls if "restart" in call] == ["systemctl restart chronyd"]
    for answer, code, says in (
        ("0A000001,10.0.0.1,3,1795980878.3,-0.000012,0,0", 0, ""),
        ("0A00000A,10.0.0.10,3,1795980878.3,-0.000012,0,0", 2, "chronyd follows 10.0.0.10, which is none of 10.0.0.1"),
        ("0A000001,10.0.0.1,3,1795980878.3,-3.5,0,0", 2, "the clock is 3.5 s off 10.0.0.1"),
        ("7F7F0101,,10,1795980878.3,0,0,0", 2, "chronyd follows no server: 10.0.0.1 did not answer"),
    ):
        machine.tool("chronyc", f'echo "{answer}"')
        machine.tool("sleep", "")
        looked = machine.run("ntp-client", wanted, "verify")
        assert looked.code == code, looked.err
        assert says in looked.err
