"""`images/node/attempt`, the real script under real shells: at most once, detached, limited, remembered."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from node_shell import NODE, Attempts, Shell, task_tar, until


@pytest.fixture
def attempts(shell: Shell, tmp_path: Path) -> Attempts:
    return Attempts(shell, tmp_path)


def gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_start_wait_log_ack(attempts: Attempts) -> None:
    script = """
cat extra
echo "root=$CROWBAR_ROOT home=${CROWBAR_HOME:-none}"
cat "$CROWBAR_ATTRIBUTES"
printf '{\\n "volumes": ["a\\\\"b", 1.5e3, {}],\\t"id": "%s"\\n}\\n' "$CROWBAR_ATTEMPT" >"$CROWBAR_GIVES"
exit 64
"""
    started = attempts.start("i-7.1", script, extra="from the tar\n")
    assert started["state"] in ("running", "ended")
    ended = attempts.state("wait", "i-7.1", "30")
    assert ended == {"id": "i-7.1", "state": "ended", "exit": 64, "gives": {"volumes": ['a"b', 1500.0, {}], "id": "i-7.1"}}
    log = attempts.raw("log", "i-7.1", "0").stdout
    assert log == f'from the tar\nroot={attempts.root} home=none\n{{"a": 1}}'.encode()
    assert attempts.raw("log", "i-7.1", "9").stdout == log[9:]
    assert attempts.raw("log", "i-7.1", "4000").stdout == b""
    assert attempts.state("list")["id"] == "i-7.1"
    assert attempts.state("ack", "i-7.1")["state"] == "acknowledged"
    assert attempts.state("ack", "i-7.1")["state"] == "acknowledged"
    assert not attempts.folder("i-7.1").exists()
    assert attempts.raw("list").stdout == b""
    assert attempts.start("i-7.1", script)["state"] == "acknowledged"
    assert attempts.state("wait", "i-7.1", "0")["state"] == "acknowledged"
    assert not attempts.folder("i-7.1").exists()


def test_same_id_never_starts_twice(attempts: Attempts, tmp_path: Path) -> None:
    count = tmp_path / "count"
    tar = task_tar(f'echo x >>"{count}"\nwhile [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done')
    racers = [
        subprocess.Popen(attempts.argv("start", "i-1.1", "60"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=attempts.env)
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(tar)
        racer.stdin.close()
    for racer in racers:
        assert racer.stdout is not None
        assert json.loads(racer.stdout.read())["state"] == "running"
        racer.stdout.close()
        assert racer.wait(30) == 0
    assert attempts.state("start", "i-1.1", "60", stdin=tar)["state"] == "running"
    assert attempts.raw("ack", "i-1.1").returncode == 1
    (tmp_path / "go").touch()
    assert attempts.state("wait", "i-1.1", "30")["exit"] == 0
    assert attempts.state("start", "i-1.1", "60", stdin=tar)["state"] == "ended"
    assert count.read_text() == "x\n"
    assert [
        entry.name for entry in (*attempts.folder("i-1.1").iterdir(), *(attempts.home / "attempts").iterdir()) if entry.name[0] == "."
    ] == []


def test_survives_the_callers_session(attempts: Attempts, tmp_path: Path) -> None:
    go = tmp_path / "go"
    caller = subprocess.Popen(
        [*attempts.shell.words, "-c", '"$@"; echo up; sleep 60', "x", *attempts.argv("start", "i-2.1", "60")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=attempts.env,
        start_new_session=True,
    )
    assert caller.stdin is not None
    assert caller.stdout is not None
    caller.stdin.write(task_tar(f'while [ ! -e "{go}" ]; do sleep 0.1; done; echo survived'))
    caller.stdin.close()
    assert json.loads(caller.stdout.readline())["state"] == "running"
    os.killpg(caller.pid, signal.SIGHUP)
    os.killpg(caller.pid, signal.SIGKILL)
    caller.wait(30)
    # End of file here too: the task holds no descriptor of its caller.
    caller.stdout.read()
    caller.stdout.close()
    assert attempts.state("wait", "i-2.1", "0")["state"] == "running"
    go.touch()
    assert attempts.state("wait", "i-2.1", "30")["exit"] == 0
    assert attempts.raw("log", "i-2.1", "0").stdout == b"survived\n"


def test_limit_ends_the_whole_group(attempts: Attempts) -> None:
    attempts.start("i-3.1", "sleep 600 & echo $!; echo $$; sleep 600", timeout_s=1)
    assert attempts.state("wait", "i-3.1", "30")["exit"] == 124
    for pid in attempts.raw("log", "i-3.1", "0").stdout.split()[:2]:
        until(lambda pid=pid: gone(int(pid)), f"process {pid!r} is gone")


def test_limit_ends_what_the_task_waits_for_in_another_session_and_no_daemon(attempts: Attempts) -> None:
    """Puppet and Chef run each command in a session of its own."""
    daemon = "(setsid sh -c 'echo daemon $$; exec sleep 600' &)"
    attempts.start("i-3.4", f"{daemon}; setsid sh -c 'trap \"\" TERM; echo command $$; sleep 600; true'; true", timeout_s=4)
    assert attempts.state("wait", "i-3.4", "60")["exit"] == 124
    pids = {what: int(pid) for what, pid in (line.split() for line in attempts.raw("log", "i-3.4", "0").stdout.decode().splitlines())}
    try:
        until(lambda: gone(pids["command"]), "the command is gone")
        assert not gone(pids["daemon"])
    finally:
        os.kill(pids["daemon"], signal.SIGKILL)


def test_an_ended_task_leaves_nothing_at_work(attempts: Attempts) -> None:
    attempts.start("i-3.2", "sleep 600 & echo $!")
    assert attempts.state("wait", "i-3.2", "30")["exit"] == 0
    until(lambda: gone(int(attempts.raw("log", "i-3.2", "0").stdout.split()[0])), "the background process is gone")


def test_too_much_output_ends_the_task(shell: Shell, tmp_path: Path) -> None:
    attempts = Attempts(shell, tmp_path, CROWBAR_LOG_BYTES="100000")
    attempts.start("i-3.3", "head -c 200000 /dev/zero; exec sleep 600", timeout_s=60)
    assert attempts.state("wait", "i-3.3", "60")["exit"] == 125
    assert len(attempts.raw("log", "i-3.3", "0").stdout) == 65536


def test_killed_midway_is_lost_and_is_not_started_again(attempts: Attempts, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f'echo x >>"{count}"; sleep 600'
    attempts.start("i-4.1", script)
    folder = attempts.folder("i-4.1")
    until(lambda: (folder / "task.pid").exists() and count.exists(), "the task runs")
    runner = int((folder / "started").read_text().split("pid=")[1].split()[0])
    task = int((folder / "task.pid").read_text().split("pid=")[1].split()[0])
    os.kill(runner, signal.SIGKILL)
    until(lambda: gone(runner), "the runner is gone")
    # The runner is dead but its task is at work: that is not lost.
    assert attempts.state("wait", "i-4.1", "0")["state"] == "running"
    os.killpg(task, signal.SIGKILL)
    assert attempts.state("wait", "i-4.1", "30") == {"id": "i-4.1", "state": "lost"}
    assert attempts.start("i-4.1", script) == {"id": "i-4.1", "state": "lost"}
    assert count.read_text() == "x\n"
    assert attempts.state("ack", "i-4.1")["state"] == "acknowledged"


def test_a_task_without_runner_is_ended_at_its_limit(attempts: Attempts) -> None:
    attempts.start("i-4.2", "sleep 600", timeout_s=600)
    folder = attempts.folder("i-4.2")
    until(lambda: (folder / "task.pid").exists(), "the task runs")
    os.kill(int((folder / "started").read_text().split("pid=")[1].split()[0]), signal.SIGKILL)
    (folder / "started").write_text((folder / "started").read_text().replace("limit=600", "limit=0"))
    assert attempts.state("wait", "i-4.2", "30")["state"] == "lost"


def test_lost_after_a_reboot(attempts: Attempts, tmp_path: Path) -> None:
    attempts.start("i-5.1", f'while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done')
    attempts.start("i-5.2", "exit 3")
    assert attempts.state("wait", "i-5.2", "30")["exit"] == 3
    attempts.boot_id.write_text("boot-two\n")
    assert attempts.state("wait", "i-5.1", "5")["state"] == "lost"
    assert attempts.state("wait", "i-5.2", "5")["exit"] == 3
    attempts.boot_id.write_text("boot-one\n")
    (tmp_path / "go").touch()
    assert attempts.state("wait", "i-5.1", "30")["exit"] == 0


def seen(done: subprocess.CompletedProcess[bytes]) -> tuple[dict[str, Any], bytes]:
    """The state, and what stands after its line."""
    assert done.returncode == 0, done
    line, _, log = done.stdout.partition(b"\n")
    return json.loads(line), log


def test_a_start_that_stays_brings_the_outcome_and_the_log_and_acknowledges_others(attempts: Attempts) -> None:
    for id in ("i-5.3", "i-5.4"):
        attempts.start(id, "exit 0")
        attempts.state("wait", id, "30")
    done = attempts.raw("start", "i-5.5", "60", "60", "i-5.3", "i-5.4", stdin=task_tar("echo one; echo two; exit 3"))
    assert seen(done) == ({"id": "i-5.5", "state": "ended", "exit": 3, "gives": {}}, b"one\ntwo\n")
    assert seen(attempts.raw("wait", "i-5.5", "0", "4"))[1] == b"two\n"
    assert [attempts.state("peek", id)["state"] for id in ("i-5.3", "i-5.4")] == ["acknowledged"] * 2
    until(lambda: os.listdir(attempts.home / "attempts") == ["i-5.5"], "what is acknowledged is gone")
    again = attempts.raw("start", "i-5.5", "60", "60", "i-5.5", stdin=task_tar("exit 0"))
    assert seen(again) == ({"id": "i-5.5", "state": "acknowledged"}, b"")
    assert os.listdir(attempts.home / "attempts") == []


def test_a_start_that_cannot_be_acknowledges_others_all_the_same(attempts: Attempts) -> None:
    attempts.start("i-5.3", "exit 0")
    attempts.state("wait", "i-5.3", "30")
    assert attempts.raw("start", "i-5.6", "60", "0", "i-5.3", stdin=b"no tar").returncode == 1
    assert os.listdir(attempts.home / "attempts") == []
    assert attempts.state("peek", "i-5.3")["state"] == "acknowledged"


def test_a_start_that_stays_leaves_a_long_task(attempts: Attempts, tmp_path: Path) -> None:
    script = f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    state, log = seen(attempts.raw("start", "i-5.7", "60", "1", stdin=task_tar(script)))
    assert (state, log) == ({"id": "i-5.7", "state": "running"}, b"begun\n")
    (tmp_path / "go").touch()
    assert attempts.state("wait", "i-5.7", "30")["exit"] == 0


def test_the_limit_outlives_a_starter_that_stays(attempts: Attempts) -> None:
    """The runner tells a pipe that nobody reads any more."""
    starter = subprocess.Popen(attempts.argv("start", "i-5.8", "2", "1"), stdin=subprocess.PIPE, env=attempts.env, start_new_session=True)
    assert starter.stdin is not None
    starter.stdin.write(task_tar("sleep 600"))
    starter.stdin.close()
    until(lambda: (attempts.folder("i-5.8") / "task.pid").exists(), "the task runs")
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait(30)
    assert attempts.state("wait", "i-5.8", "60")["exit"] == 124


def test_tombstones_are_bounded(attempts: Attempts) -> None:
    folder = attempts.home / "acknowledged"
    folder.mkdir(parents=True)
    for n in range(2110):
        (folder / f"old-{n}.0").touch()
        os.utime(folder / f"old-{n}.0", (n, n))
    assert attempts.state("ack", "i-5.9")["state"] == "acknowledged"
    assert len(os.listdir(folder)) == 2000
    assert (folder / "i-5.9").exists()
    assert not (folder / "old-0.0").exists()


def test_an_id_that_ends_like_another_is_another(attempts: Attempts) -> None:
    other = attempts.folder(".new.999999999.1.x.i-6.0")
    (other / "task").mkdir(parents=True)
    assert attempts.state("peek", "i-6.0")["state"] == "lost"
    assert other.exists()


def test_unknown_is_lost_and_may_be_started_after_a_peek(attempts: Attempts) -> None:
    assert attempts.state("peek", "i-6.1") == {"id": "i-6.1", "state": "lost"}
    attempts.start("i-6.1", "exit 0")
    assert attempts.state("wait", "i-6.1", "30")["exit"] == 0


def test_what_was_called_lost_never_runs(attempts: Attempts, tmp_path: Path) -> None:
    """Whoever heard that had something else done instead."""
    for _ in range(2):
        assert attempts.state("wait", "i-6.3", "0") == {"id": "i-6.3", "state": "lost"}
        assert attempts.start("i-6.3", f"touch {tmp_path}/ran") == {"id": "i-6.3", "state": "lost"}
    assert not attempts.folder("i-6.3").exists()
    assert attempts.state("ack", "i-6.3")["state"] == "acknowledged"
    assert not list((attempts.home / "lost").iterdir())
    assert attempts.start("i-6.3", f"touch {tmp_path}/ran")["state"] == "acknowledged"
    assert not (tmp_path / "ran").exists()


class Halted:
    """A call of the tool that stands still in its first `mkdir` of a folder that is named so, until it is let go."""

    def __init__(self, attempts: Attempts, place: Path, name: str, *words: str, stdin: bytes = b"") -> None:
        tools = place / "halted"
        tools.mkdir()
        env = attempts.env
        real = shutil.which("mkdir", path=env["PATH"])
        self._here, self._go = place / "here", place / "go-on"
        mkdir = tools / "mkdir"
        mkdir.write_text(
            f'#!/bin/sh\ncase $* in *{name}*) : >{self._here}; while [ ! -e {self._go} ]; do sleep 0.05; done ;; esac\nexec {real} "$@"\n'
        )
        mkdir.chmod(0o755)
        self._call = subprocess.Popen(
            attempts.argv(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**env, "PATH": f"{tools}:{env['PATH']}"}
        )
        assert self._call.stdin is not None
        self._call.stdin.write(stdin)
        self._call.stdin.close()
        until(self._here.exists, "it stands still")

    def goes_on(self) -> Any:
        self._go.touch()
        assert self._call.stdout is not None
        said = json.loads(self._call.stdout.read())
        self._call.stdout.close()
        self._call.wait(30)
        return said


def test_a_start_that_stood_still_does_not_run_after_lost(attempts: Attempts, tmp_path: Path) -> None:
    """It looked, found nothing, and then nothing came of it for longer than its connection."""
    start = Halted(attempts, tmp_path, "/attempts/", "start", "i-6.4", "60", stdin=task_tar(f"touch {tmp_path}/ran"))
    assert attempts.state("wait", "i-6.4", "0") == {"id": "i-6.4", "state": "lost"}
    assert start.goes_on() == {"id": "i-6.4", "state": "lost"}
    assert attempts.state("wait", "i-6.4", "0") == {"id": "i-6.4", "state": "lost"}
    assert not attempts.folder("i-6.4").exists()
    assert not (tmp_path / "ran").exists()


def test_lost_is_not_said_of_what_starts_meanwhile(attempts: Attempts, tmp_path: Path) -> None:
    """It found nothing, and something started before its tombstone was there."""
    wait = Halted(attempts, tmp_path, "/lost", "wait", "i-6.5", "0")
    assert attempts.start("i-6.5", f"while [ ! -e {tmp_path}/end ]; do sleep 0.1; done")["state"] == "running"
    assert wait.goes_on()["state"] == "running"
    (tmp_path / "end").touch()
    assert attempts.state("wait", "i-6.5", "30")["exit"] == 0


def test_lost_is_not_said_where_no_tombstone_can_be_written(attempts: Attempts) -> None:
    attempts.home.mkdir()
    (attempts.home / "lost").write_text("a file, not a folder")
    done = attempts.raw("wait", "i-6.6", "0")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"cannot write" in done.stderr


def test_acknowledged_before_it_came_never_runs(attempts: Attempts, tmp_path: Path) -> None:
    assert attempts.state("ack", "i-6.2")["state"] == "acknowledged"
    assert attempts.start("i-6.2", f"touch {tmp_path}/ran")["state"] == "acknowledged"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("keep", [0, 700, 1024, 1536, 1600])
def test_a_stream_cut_off_starts_nothing_and_can_be_given_again(attempts: Attempts, tmp_path: Path, keep: int) -> None:
    tar = task_tar(f"echo x >>{tmp_path}/count")
    state = attempts.state("start", "i-8.1", "60", stdin=tar[:keep], exit=1)
    assert state["state"] == "unstarted"
    assert "whole" in state["error"]
    assert attempts.state("peek", "i-8.1")["state"] == "lost"
    assert attempts.state("start", "i-8.1", "60", stdin=tar)["state"] in ("running", "ended")
    assert attempts.state("wait", "i-8.1", "30")["exit"] == 0
    assert (tmp_path / "count").read_text() == "x\n"


def test_a_starter_that_died_before_the_runner_is_recovered(attempts: Attempts, tmp_path: Path) -> None:
    stage = attempts.folder(".new.999999999.1.i-8.2")
    (stage / "task").mkdir(parents=True)
    (stage / "task" / "run").write_text("#!/bin/sh\necho old\n")
    assert attempts.state("peek", "i-8.2")["state"] == "lost"
    assert not stage.exists()
    # A runner of the abandoned start that comes up late finds its stage withdrawn.
    late = attempts.raw("_run", "i-8.2", str(stage), "60", "0")
    assert late.returncode == 0
    assert attempts.state("peek", "i-8.2")["state"] == "lost"
    attempts.start("i-8.2", "echo new")
    assert attempts.state("wait", "i-8.2", "30")["exit"] == 0
    assert attempts.raw("log", "i-8.2", "0").stdout == b"new\n"


def test_a_starter_killed_while_it_reads_starts_nothing(attempts: Attempts, tmp_path: Path) -> None:
    tar = task_tar(f"echo x >>{tmp_path}/count")
    starter = subprocess.Popen(attempts.argv("start", "i-8.3", "60"), stdin=subprocess.PIPE, env=attempts.env)
    assert starter.stdin is not None
    starter.stdin.write(tar[:1024])
    starter.stdin.flush()
    until(lambda: list((attempts.home / "attempts").glob(".new.*.i-8.3")), "the starter unpacks")
    assert attempts.state("wait", "i-8.3", "0")["state"] == "running"
    starter.kill()
    starter.stdin.close()
    starter.wait(30)
    assert attempts.state("peek", "i-8.3")["state"] == "lost"
    attempts.state("start", "i-8.3", "60", stdin=tar)
    assert attempts.state("wait", "i-8.3", "30")["exit"] == 0
    assert (tmp_path / "count").read_text() == "x\n"


def test_a_tar_without_run_is_refused(attempts: Attempts) -> None:
    tar = task_tar("").replace(b"run\0", b"ruN\0", 1)
    assert attempts.state("start", "i-8.4", "60", stdin=tar, exit=1)["state"] == "unstarted"


def test_progress_is_shown_while_it_runs(attempts: Attempts, tmp_path: Path) -> None:
    script = f"""
printf '10 begin\\n40 half "way" \\\\ \\303\\251\\n' >>"$CROWBAR_PROGRESS"
while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done
"""
    attempts.start("i-10.1", script)
    state = until(lambda: (s := attempts.state("wait", "i-10.1", "0")).get("text") and s, "progress")
    assert (state["percent"], state["text"]) == (40, "half ?way? ? ??")
    progress = attempts.folder("i-10.1") / "progress"
    for line in ("101 x\n", "no\n", "07 x\n", "\n"):
        progress.write_text(line)
        assert "percent" not in attempts.state("wait", "i-10.1", "0"), line
    (tmp_path / "go").touch()
    assert attempts.state("wait", "i-10.1", "30")["exit"] == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("start",),
        ("start", "i.1"),
        ("start", "../x", "5"),
        ("start", ".x", "5"),
        ("start", "-x", "5"),
        ("start", "a/b", "5"),
        ("start", "a b", "5"),
        ("start", "a\nb", "5"),
        ("start", "x" * 129, "5"),
        ("start", "i.1", "0"),
        ("start", "i.1", "-5"),
        ("start", "i.1", "5; id"),
        ("start", "i.1", "5", "-1"),
        ("start", "i.1", "5", "0", "../x"),
        ("wait", "i.1", "0", "x"),
        ("wait", "i.1", "0", "0", "0"),
        ("wait", "i.1", "08"),
        ("wait", "i.1", "99999"),
        ("log", "i.1", "x"),
        ("ack", ""),
        ("ack", ".."),
        ("list", "x"),
        ("remove", "i.1"),
        ("_run", "../x", "/tmp", "5", "0"),
    ],
)
def test_bad_use_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    attempts = Attempts(Shell("dash", tmp_path), tmp_path)
    done = attempts.raw(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert not attempts.home.exists()


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    attempts = Attempts(Shell("dash", tmp_path), tmp_path)
    attempts.home.write_text("a file, not a folder")
    state = attempts.state("start", "i.1", "5", stdin=task_tar("exit 0"), exit=1)
    assert state["state"] == "unstarted"
    assert "cannot write" in state["error"]


@pytest.mark.client
@pytest.mark.parametrize("tool", ["attempt", "agent", "service", "run-puppet", "run-chef-solo"])
def test_shellcheck(tool: str) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, "-s", "sh", str(NODE / tool)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_task_finds_the_tools_beside_attempt(attempts: Attempts) -> None:
    """An SSH session starts `attempt` by its full name, and its own PATH does not lead there."""
    attempts.start("i-1.1", "case $(command -v attribute) in */images/node/attribute) exit 0 ;; esac\nexit 3\n")
    assert attempts.state("wait", "i-1.1", "30")["exit"] == 0
