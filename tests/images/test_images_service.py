"""The tool `service` with real processes: files, start, reload, checks, and who ends the daemon."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "images" / "node" / "service"
LIMIT_S = 60.0
DAEMON = """\
trap 'echo hup >>"$1/signals"' HUP
echo up >>"$1/signals"
while :; do sleep 0.1; done
"""


class Daemon:
    """One daemon `d`, whose folder of state is a test's own."""

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        self.environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "CROWBAR_STATE": str(state), **environment}
        self.attempt = 0
        self.script = state.parent / "daemon"
        self.script.write_text(DAEMON)

    def call(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "CROWBAR_ATTEMPT": f"a-{self.attempt}.1"}
        return subprocess.run(
            ["sh", str(TOOL), *words], input=text, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def run(self, files: dict[str, str], *words: str, reload: bool = False) -> subprocess.CompletedProcess[str]:
        """What a role does: all its files, then `up`."""
        self.attempt += 1
        for path, text in files.items():
            assert self.call("file", "d", path, text=text).returncode == 0
        command = words or ("sh", str(self.script), str(self.state.parent))
        return self.call("up", "d", *(["-r"] if reload else []), "--", *command)

    @property
    def pid(self) -> int:
        return int((self.state / "d/.service/pid").read_text().split()[0])

    @property
    def signals(self) -> list[str]:
        file = self.state.parent / "signals"
        return file.read_text().split() if file.exists() else []


def wait(so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "state", CROWBAR_LIVES_WITH=str(os.getpid()))
    yield made
    made.call("down", "d")


def test_the_same_run_again_does_nothing(daemon: Daemon) -> None:
    first = daemon.run({"a.conf": "one\n", "zones/b": "two\n"})
    assert first.returncode == 0, first.stderr
    pid = daemon.pid
    second = daemon.run({"a.conf": "one\n", "zones/b": "two\n"})
    assert (second.returncode, second.stdout) == (0, "")
    assert daemon.pid == pid
    assert daemon.call("check", "d").returncode == 0


def test_another_file_starts_it_again_and_old_files_go(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n", "zones/b": "two\n"})
    pid = daemon.pid
    assert "started" in daemon.run({"a.conf": "other\n"}).stdout
    assert daemon.pid != pid
    assert not running(pid)
    assert (daemon.state / "d/a.conf").read_text() == "other\n"
    assert not (daemon.state / "d/zones/b").exists()
    assert daemon.call("check", "d").returncode == 0


def test_a_reload_keeps_the_process(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n"}, reload=True)
    pid = daemon.pid
    wait(lambda: daemon.signals == ["up"], "the daemon did not come up")
    daemon.run({"a.conf": "two\n"}, reload=True)
    assert daemon.pid == pid
    wait(lambda: daemon.signals == ["up", "hup"], "no SIGHUP came")
    assert daemon.call("check", "d").returncode == 0


def test_a_killed_daemon_is_missed_and_comes_back(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n"})
    pid = daemon.pid
    os.kill(pid, 9)
    wait(lambda: not running(pid), "it lives")
    looked = daemon.call("check", "d")
    assert looked.returncode == 1
    assert "does not run" in looked.stderr
    daemon.run({"a.conf": "one\n"})
    assert daemon.pid != pid
    assert daemon.call("check", "d").returncode == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("one\nsecret\nthree\n", "a.conf was changed by hand: it differs from line 2 on"),
        ("one\ntwo\nthree\nsecret\n", "a.conf was changed by hand: it differs from line 4 on"),
        ("one\n", "a.conf was changed by hand: it differs from line 2 on"),
        (None, "a.conf was removed by hand"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_named(daemon: Daemon, change: str | None, says: str) -> None:
    daemon.run({"a.conf": "one\ntwo\nthree\n", "b.conf": "b\n"})
    pid = daemon.pid
    file = daemon.state / "d/a.conf"
    file.unlink()
    if change is not None:
        file.write_text(change)
    looked = daemon.call("check", "d")
    assert looked.returncode == 65
    assert looked.stdout == f"{daemon.state}/d/{says}\n"
    assert "secret" not in looked.stdout
    assert (file.read_text() if file.exists() else None) == change, "a check changes nothing"
    assert daemon.pid == pid
    daemon.run({"a.conf": "one\ntwo\nthree\n", "b.conf": "b\n"})
    assert daemon.call("check", "d").returncode == 0


def test_an_update_that_was_interrupted_is_no_change_by_hand(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n"})
    daemon.attempt += 1
    daemon.call("file", "d", "a.conf", text="two\n")
    looked = daemon.call("check", "d")
    assert (looked.returncode, "half-way" in looked.stderr) == (1, True)
    daemon.run({"a.conf": "one\n"})
    assert daemon.call("check", "d").returncode == 0


def test_one_that_dislikes_its_files_fails_with_its_own_words(daemon: Daemon) -> None:
    done = daemon.run({"a.conf": "one\n"}, "sh", "-c", "echo line 3 is wrong; exit 1")
    assert done.returncode == 1
    assert "sh does not run: line 3 is wrong" in done.stderr
    assert daemon.call("check", "d").returncode == 1


def test_it_ends_with_its_owner(tmp_path: Path) -> None:
    owner = subprocess.Popen(["sleep", "1000"])
    daemon = Daemon(tmp_path / "state", CROWBAR_LIVES_WITH=str(owner.pid))
    try:
        assert daemon.run({"a.conf": "one\n"}).returncode == 0
        pid = daemon.pid
        keeper = int((daemon.state / "d/.service/keeper").read_text().split()[0])
        assert running(pid)
        owner.kill()
        owner.wait()
        wait(lambda: not running(pid) and not running(keeper), "the daemon outlives its owner")
    finally:
        owner.kill()
        owner.wait()
        daemon.call("down", "d")


@pytest.mark.parametrize("verb", ["up", "check"])
def test_the_next_owner_takes_over_what_still_runs(tmp_path: Path, verb: str) -> None:
    """The first engine is killed, and the second one looks before the keeper has ended the daemon."""
    first, second = (subprocess.Popen(["sleep", "1000"]) for _ in range(2))
    daemon = Daemon(tmp_path / "state", CROWBAR_LIVES_WITH=str(first.pid))
    kept = daemon.state / "d/.service/keeper"
    try:
        assert daemon.run({"a.conf": "one\n"}).returncode == 0
        pid, keeper = daemon.pid, int(kept.read_text().split()[0])
        os.kill(keeper, signal.SIGSTOP)
        first.kill()
        first.wait()
        daemon.environment["CROWBAR_LIVES_WITH"] = str(second.pid)
        done = daemon.run({"a.conf": "one\n"}) if verb == "up" else daemon.call("check", "d")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        wait(lambda: not running(keeper), "the old keeper lives")
        assert daemon.pid == pid
        assert running(pid)
        taken = kept.read_text()
        assert taken.split()[2] == str(second.pid)
        assert daemon.call("check", "d").returncode == 0
        assert kept.read_text() == taken, "a keeper whose owner lives stays"
        second.kill()
        second.wait()
        wait(lambda: not running(pid) and not running(int(taken.split()[0])), "the daemon outlives its second owner")
    finally:
        for one in (first, second):
            one.kill()
            one.wait()
        daemon.call("down", "d")


def test_a_daemon_whose_keeper_was_killed_gets_another(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n"})
    keeper = int((daemon.state / "d/.service/keeper").read_text().split()[0])
    os.kill(keeper, 9)
    wait(lambda: not running(keeper), "it lives")
    assert daemon.call("check", "d").returncode == 0
    assert running(int((daemon.state / "d/.service/keeper").read_text().split()[0]))


def test_it_ends_with_its_owner_though_its_folder_is_gone(tmp_path: Path) -> None:
    """A rehearsal that begins anew deletes the store right after its rack has ended."""
    owner = subprocess.Popen(["sleep", "1000"])
    daemon = Daemon(tmp_path / "state", CROWBAR_LIVES_WITH=str(owner.pid))
    try:
        assert daemon.run({"a.conf": "one\n"}).returncode == 0
        pid, keeper = daemon.pid, int((daemon.state / "d/.service/keeper").read_text().split()[0])
        wait(lambda: has_tail(keeper), "nobody watches the owner")
        shutil.rmtree(daemon.state)
        owner.kill()
        owner.wait()
        wait(lambda: not running(pid) and not running(keeper), "the daemon outlives its owner")
    finally:
        owner.kill()
        owner.wait()


def has_tail(keeper: int) -> bool:
    """The keeper knows the daemon, and waits for its owner."""
    try:
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        return any(Path(f"/proc/{child}/comm").read_text() == "tail\n" for child in children)
    except OSError:  # a short one has just ended
        return False


def test_down_leaves_no_process(daemon: Daemon) -> None:
    daemon.run({"a.conf": "one\n"})
    pid, keeper = daemon.pid, int((daemon.state / "d/.service/keeper").read_text().split()[0])
    assert daemon.call("down", "d").returncode == 0
    assert not running(pid)
    assert not running(keeper)
    assert daemon.call("check", "d").returncode == 1


@pytest.mark.parametrize(
    ("kind", "program", "code", "says"),
    [
        ("", "sh", 0, ""),
        ("", "no-such-daemon", 1, "apt install some-package"),
        ("namespace", "no-such-daemon", 3, "apt install some-package"),
        ("namespace", "sh", 0, ""),
        ("loopback", "sh", 3, "no network of its own"),
    ],
)
def test_need_says_what_to_install(tmp_path: Path, kind: str, program: str, code: int, says: str) -> None:
    done = Daemon(tmp_path / "state", CROWBAR_REHEARSAL=kind).call("need", program, "some-package")
    assert done.returncode == code
    assert says in done.stdout + done.stderr


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".service/sums", "a/../b", "a//b", "a b", "", "a/.b", "a/"])
def test_a_path_that_leads_out_is_refused(daemon: Daemon, path: str) -> None:
    assert daemon.call("file", "d", path, text="x").returncode == 2


@pytest.mark.parametrize("name", ["../d", "D", "", "a b", "-x", "a" * 33])
def test_a_name_that_is_none_is_refused(daemon: Daemon, name: str) -> None:
    assert daemon.call("check", name).returncode == 2


SYSTEMCTL = """#!/bin/sh
# Starts and ends units as systemd would.
echo "$*" >>"$CALLS"
for unit; do :; done
name=${unit#crowbar-daemon@} name=${name%.service}
pid=$(cat "$CALLS.$name" 2>/dev/null)
case $1 in
restart) [ -z "$pid" ] || kill "$pid"; CROWBAR_STATE=$STATE setsid sh TOOL run "$name" </dev/null >/dev/null 2>&1 & echo $! >"$CALLS.$name" ;;
stop) kill "$pid"; rm "$CALLS.$name" ;;
kill) kill -HUP "$pid" ;;
--quiet) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null ;;
esac
"""
HELPER = """\
mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/crowbar-daemons && sh HELPER "$STATE"
while sleep 0.05; do sh HELPER "$STATE"; done &
helper=$!
trap 'kill $helper' EXIT
export CROWBAR_STATE="$STATE"
"""


def test_without_root_it_asks_systemd_by_way_of_the_helper(tmp_path: Path) -> None:
    """In a mount namespace whose /run says that systemd is there."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us make a mount namespace")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(SYSTEMCTL.replace("TOOL", str(TOOL)))
    (tools / "systemctl").chmod(0o755)
    state, calls = tmp_path / "state", tmp_path / "calls"
    (tmp_path / "daemon").write_text(DAEMON)
    command = f"sh {tmp_path}/daemon {tmp_path}"
    script = HELPER.replace("HELPER", str(ROOT / "packaging" / "daemons")) + (
        f's() {{ sh {TOOL} "$@"; }}\n'
        f"echo a | s file d a.conf && s up d -r -- {command} && s check d || exit 11\n"
        f"CROWBAR_ATTEMPT=2; export CROWBAR_ATTEMPT\n"
        f"echo b | s file d a.conf && s up d -r -- {command} && s check d || exit 12\n"
        f"until grep -q hup {tmp_path}/signals; do sleep 0.1; done\n"
        f"kill $(cat {calls}.d); while s check d; do sleep 0.1; done\n"
        f"echo x >>$STATE/d/a.conf; s check d; [ $? = 65 ] || exit 13\n"
        f"ln -s /etc/passwd $STATE/.orders/link; echo 'restart x;y' >$STATE/.orders/bad; echo 'mask 1.1' >$STATE/.orders/evil\n"
        f"CROWBAR_ATTEMPT=3; echo b | s file d a.conf && s up d -r -- {command} && s check d || exit 14\n"
        f"s down d || exit 15\n"
    )
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "STATE": str(state), "CALLS": str(calls)}
    done = subprocess.run([*unshare, "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in calls.read_text().splitlines() if not line.startswith("--quiet")]
    unit = "crowbar-daemon@d.service"
    assert said == [f"restart {unit}", f"kill --kill-whom=main --signal=HUP {unit}", f"restart {unit}", f"stop {unit}"]
    assert (tmp_path / "signals").read_text().split()[:2] == ["up", "hup"]
    assert not (state / "d/.service").exists()
