"""`images/node/agent`, the real script with each HTTP client it can have, against a small real server of the protocol."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from node_shell import NODE, Attempts, Shell, found, task_tar, until

from engine.core.hello import PROTOCOL

NONCE = "n0nce-of-this-boot"
QUICK = {"CROWBAR_DELAY_S": "0", "CROWBAR_REFUSED_S": "0", "CROWBAR_SIGN_S": "1", "CROWBAR_WATCH_S": "1"}
Body = dict[str, Any]


class Engine:
    """A fake of the engine's side: orders to give, and all that was said to it."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.orders: list[Body] = []
        self.tasks: dict[str, bytes] = {}
        self.hellos: list[Body] = []
        self.byes: list[Body] = []
        self.progress: list[Body] = []
        self.results: list[Body] = []
        self.logs: dict[str, bytearray] = {}
        self.refusal = 401
        self.unauthorized = 0
        self.polls = 0
        self.token = ""
        self.hello_status: list[int] = []
        """Answers of the next hellos; 200 after."""
        self.result_status: list[int] = []
        self.acknowledge: list[bool] = []
        self.task_status: list[int] = []
        self.log_status: list[int] = []
        self.cut_task = 0
        self.server: ThreadingHTTPServer | None = None
        self.port = 0

    def up(self) -> None:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self) -> None:
                engine.get(self)

            def do_POST(self) -> None:
                engine.post(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def order(self, **order: Any) -> None:
        with self.lock:
            self.orders.append(order)
            self.lock.notify_all()

    def run(self, id: str, script: str, timeout: float = 60) -> None:
        self.tasks[id] = task_tar(script)
        self.order(do="run", id=id, timeout=timeout)

    @staticmethod
    def answer(http: BaseHTTPRequestHandler, status: int, body: Body | bytes | None = None) -> None:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body, indent=1).encode()
        http.send_response(status)
        if status != 204:
            http.send_header("Content-Length", str(len(raw)))
        http.end_headers()
        http.wfile.write(raw)

    def authorized(self, http: BaseHTTPRequestHandler) -> bool:
        if self.token and http.headers["Authorization"] == f"Bearer {self.token}":
            return True
        self.unauthorized += 1
        self.answer(http, self.refusal, {"code": "token", "message": "unknown token"})
        return False

    def get(self, http: BaseHTTPRequestHandler) -> None:
        if not self.authorized(http):
            return
        if http.path == "/agent/next":
            self.polls += 1
            with self.lock:
                self.lock.wait_for(lambda: self.orders, 0.3)
                order = self.orders.pop(0) if self.orders else None
            self.answer(http, 200, order) if order else self.answer(http, 204)
            return
        tar = self.tasks[http.path.removeprefix("/agent/task/")]
        if self.task_status:
            self.answer(http, self.task_status.pop(0))
        elif self.cut_task:
            http.send_response(200)
            http.send_header("Content-Length", str(len(tar)))
            http.end_headers()
            http.wfile.write(tar[: self.cut_task])
            self.cut_task = 0
            http.close_connection = True
        else:
            self.answer(http, 200, tar)

    def post(self, http: BaseHTTPRequestHandler) -> None:
        raw = http.rfile.read(int(http.headers["Content-Length"]))
        path, _, query = http.path.partition("?")
        if path == "/agent/hello":
            self.hellos.append(json.loads(raw))
            status = self.hello_status.pop(0) if self.hello_status else 200
            if status == 200:
                self.token = f"tok.{len(self.hellos)}"
                self.answer(http, 200, {"node": "n1", "token": self.token, "name": "node-1.r07.example.net"})
            else:
                self.answer(http, status, {"code": "second_claim", "message": "another machine has claimed this boot"})
            return
        if not self.authorized(http):
            return
        if path == "/agent/log":
            fields = dict(field.split("=") for field in query.split("&"))
            log = self.logs.setdefault(fields["id"], bytearray())
            at = int(fields["offset"])
            if self.log_status:
                self.answer(http, self.log_status.pop(0))
                return
            assert at <= len(log)
            log[at : at + len(raw)] = raw
            self.answer(http, 200, {"offset": len(log)})
            return
        body = json.loads(raw)
        if path == "/agent/progress":
            self.progress.append(body)
            self.answer(http, 204)
        elif path == "/agent/result":
            self.results.append(body)
            status = self.result_status.pop(0) if self.result_status else 200
            if status == 200:
                self.answer(http, 200, {"acknowledged": self.acknowledge.pop(0) if self.acknowledge else True})
            else:
                self.answer(http, status)
        else:
            assert path == "/agent/bye"
            self.byes.append(body)
            self.answer(http, 200, {})


class Node:
    """A folder that stands for a machine, and the agent on it."""

    def __init__(self, shell: Shell, folder: Path, engine: Engine) -> None:
        self.attempts = Attempts(shell, folder)
        self.shell = shell
        self.engine = engine
        self.root = self.attempts.root
        self.said = folder / "said"
        url = f"http://127.0.0.1:{engine.port}"
        self.write("proc/cmdline", f"quiet crowbar.url={url} crowbar.nonce={NONCE} crowbar.env=sledgehammer * x=\n")
        self.write("sys/class/dmi/id/product_uuid", "4c4c4544-0042-3510-8053-b4c04f4d3732\n")
        self.write("sys/class/dmi/id/product_serial", 'SN"7\\\n')
        self.write("sys/class/dmi/id/chassis_serial", "CHASSIS\n")
        for name, mac, real in (
            ("lo", "00:00:00:00:00:00", False), ("eno2", "52:54:00:00:00:02", True), ("eno1", "52:54:00:00:00:01", True),
            ("br0", "52:54:00:00:00:99", False),
        ):  # fmt: skip
            self.write(f"sys/class/net/{name}/address", mac + "\n")
            if real:
                (self.root / f"sys/class/net/{name}/device").mkdir()
        # The second port of a bond shows the bond's address.
        self.write("sys/class/net/eno3/address", "52:54:00:00:00:01\n")
        self.write("sys/class/net/eno3/bonding_slave/perm_hwaddr", "52:54:00:00:00:03\n")
        (self.root / "sys/class/net/eno3/device").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.env = {**self.attempts.env, **QUICK}

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stub(self, name: str) -> Path:
        """A command that notes how it was called."""
        note = self.said.parent / f"{name}.called"
        tool = self.said.parent / "tools" / name
        tool.unlink(missing_ok=True)
        tool.write_text(f'#!/bin/sh\necho "$@" >>"{note}"\n')
        tool.chmod(0o755)
        return note

    def agent(self, *words: str) -> subprocess.Popen[bytes]:
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*self.shell.words, str(NODE / "agent"), *words],
                env=self.env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        return self.process

    def kill(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def until(self, met: Callable[[], Any], what: str) -> Any:
        try:
            return until(met, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said.read_text()}") from None


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    engine.up()
    yield engine
    engine.down()


def node_with(client: str, folder: Path, engine: Engine) -> Node:
    if client == "busybox":
        return Node(Shell("busybox", folder), folder, engine)
    found(client)
    other = "wget" if client == "curl" else "curl"
    return Node(Shell("dash", folder, without=(other,)), folder, engine)


@pytest.fixture(params=["curl", "wget", "busybox"])
def node(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine) -> Iterator[Node]:
    node = node_with(request.param, tmp_path, engine)
    yield node
    node.kill()


@pytest.fixture
def curl_node(tmp_path: Path, engine: Engine) -> Iterator[Node]:
    node = node_with("curl", tmp_path, engine)
    yield node
    node.kill()


SCRIPT = """
printf 'line \\000 one\\n'
echo "30 half way" >>"$CROWBAR_PROGRESS"
while [ ! -e "%s" ]; do sleep 0.1; done
head -c 150000 /dev/zero | tr '\\000' x
echo '{"disks": [{"name": "sda"}], "error": "no"}' >"$CROWBAR_GIVES"
exit 64
"""


def test_hello_task_progress_log_result(node: Node, engine: Engine, tmp_path: Path) -> None:
    engine.hello_status = [503]
    engine.acknowledge = [False]
    engine.log_status = [409, 503]
    engine.result_status = [500]
    go = tmp_path / "go"
    engine.run("i-7.1", SCRIPT % go, timeout=60.5)
    node.agent()
    node.until(lambda: len(engine.progress) >= 3, "progress, and signs of life")
    assert {"id": "i-7.1", "percent": 30, "text": "half way"} in engine.progress
    go.touch()
    node.until(lambda: engine.polls >= 2, "the next order is asked for")
    assert engine.hellos[0].pop("arch") == os.uname().machine
    assert engine.hellos[0].pop("protocol") == PROTOCOL
    assert engine.hellos[0].pop("address") in ("", "127.0.0.1")
    assert engine.hellos[0] == {
        "nonce": NONCE, "boot_id": "boot-one", "environment": "sledgehammer", "uuid": "4c4c4544-0042-3510-8053-b4c04f4d3732",
        "serial": 'SN"7\\', "macs": ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"],
    }  # fmt: skip
    assert len(engine.hellos) == 2
    assert engine.results == [
        {"id": "i-7.1", "state": "ended", "exit": 64, "message": "", "gives": {"disks": [{"name": "sda"}], "error": "no"}}
    ] * 3
    assert engine.logs["i-7.1"] == b"line ? one\n" + b"x" * 150000
    assert node.attempts.state("wait", "i-7.1", "0")["state"] == "acknowledged"
    assert engine.unauthorized == 0
    process = node.process
    assert process is not None
    process.terminate()
    assert process.wait(30) == 0
    assert engine.byes == [{"reason": "stopping"}]


def test_a_refusal_is_said_and_tried_again(curl_node: Node, engine: Engine) -> None:
    engine.hello_status = [403]
    curl_node.agent()
    curl_node.until(lambda: engine.polls, "orders asked for")
    assert len(engine.hellos) == 2
    assert "refuses this machine: another machine has claimed this boot (second_claim)" in curl_node.said.read_text()


@pytest.mark.parametrize("status", [401, 410], ids=["unknown token", "old boot"])
def test_a_token_that_counts_no_more_says_hello_again(node: Node, engine: Engine, tmp_path: Path, status: int) -> None:
    """In the middle of a task. 410: the engine has another boot of this node in mind, as after a store that was put back."""
    engine.refusal = status
    go = tmp_path / "go"
    engine.run("i-2.1", f'while [ ! -e "{go}" ]; do sleep 0.1; done')
    node.agent()
    node.until(lambda: engine.progress, "the task runs")
    engine.token = "forgotten"
    node.until(lambda: len(engine.hellos) == 2, "hello again")
    assert engine.hellos[0] == engine.hellos[1]
    go.touch()
    node.until(lambda: engine.results, "the result")
    assert engine.unauthorized >= 1


def test_a_token_that_is_never_taken_ends_the_agent(curl_node: Node, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(http: BaseHTTPRequestHandler) -> bool:
        Engine.answer(http, 401, {})
        return False

    monkeypatch.setattr(engine, "authorized", refuse)
    assert curl_node.agent().wait(30) == 1
    assert len(engine.hellos) == 1


def test_server_down_then_up(node: Node, engine: Engine, tmp_path: Path) -> None:
    engine.down()
    node.agent()
    node.until(lambda: "no hello" in node.said.read_text(), "a failed hello")
    engine.up()
    count = tmp_path / "count"
    engine.run("i-3.1", f'echo x >>"{count}"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done; exit 5')
    node.until(lambda: engine.progress, "the task runs")
    engine.down()
    (tmp_path / "go").touch()
    node.until(lambda: "not acknowledged" in node.said.read_text(), "a failed result")
    engine.up()
    node.until(lambda: engine.results, "the result")
    assert engine.results[0]["exit"] == 5
    assert count.read_text() == "x\n"


def test_a_killed_agent_takes_up_its_task(curl_node: Node, engine: Engine, tmp_path: Path) -> None:
    count = tmp_path / "count"
    engine.run("i-4.1", f'echo x >>"{count}"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done')
    curl_node.agent()
    curl_node.until(lambda: engine.progress, "the task runs")
    curl_node.kill()
    curl_node.agent()
    curl_node.until(lambda: len(engine.hellos) == 2, "hello of the new agent")
    (tmp_path / "go").touch()
    curl_node.until(lambda: engine.results, "the result")
    assert count.read_text() == "x\n"


def test_run_given_again_is_not_run_again(curl_node: Node, engine: Engine, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f'echo x >>"{count}"'
    engine.run("i-5.1", script)
    engine.run("i-5.1", script)
    curl_node.agent()
    curl_node.until(lambda: len(engine.results) == 2, "both answered")
    assert [result["state"] for result in engine.results] == ["ended", "lost"]
    assert count.read_text() == "x\n"


def test_query_of_what_is_unknown_running_and_ended(curl_node: Node, engine: Engine, tmp_path: Path) -> None:
    attempts = curl_node.attempts
    attempts.start("i-6.2", "exit 9")
    attempts.state("wait", "i-6.2", "30")
    # Found at the start; after its acknowledgement a query is answered lost.
    curl_node.agent()
    curl_node.until(lambda: len(engine.results) == 1, "the result that was kept")
    assert (engine.results[0]["id"], engine.results[0]["exit"]) == ("i-6.2", 9)
    engine.order(do="query", id="i-6.1")
    curl_node.until(lambda: len(engine.results) == 2, "lost")
    assert engine.results[1]["id"] == "i-6.1"
    assert (engine.results[1]["state"], engine.results[1]["exit"], engine.results[1]["gives"]) == ("lost", None, {})
    attempts.start("i-6.3", f'while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done')
    engine.order(do="query", id="i-6.3")
    curl_node.until(lambda: engine.progress, "running")
    assert engine.progress[0]["id"] == "i-6.3"
    (tmp_path / "go").touch()
    curl_node.until(lambda: len(engine.results) == 3, "the outcome")
    attempts.state("ack", "i-6.4")
    engine.order(do="ack", id="i-6.5")
    curl_node.until(lambda: attempts.state("wait", "i-6.5", "0")["state"] == "acknowledged", "ack obeyed")


def test_a_task_cut_off_or_refused_is_fetched_again(node: Node, engine: Engine, tmp_path: Path) -> None:
    engine.cut_task = 1600
    engine.task_status = [503]
    engine.run("i-8.1", f'echo x >>"{tmp_path}/count"')
    node.agent()
    node.until(lambda: engine.results, "the result")
    assert engine.results[0]["exit"] == 0
    assert (tmp_path / "count").read_text() == "x\n"
    assert "not started" in node.said.read_text()


def test_bad_gives_come_as_message(curl_node: Node, engine: Engine) -> None:
    engine.run("i-9.1", 'echo "[]" >"$CROWBAR_GIVES"')
    curl_node.agent()
    curl_node.until(lambda: engine.results, "the result")
    assert engine.results[0]["message"] == "gives are not a JSON object"
    assert engine.results[0]["gives"] == {}


def test_orders_are_data(curl_node: Node, engine: Engine, tmp_path: Path) -> None:
    engine.order(do="run", id="../../etc", timeout=5)
    engine.order(do="run", id=f"$(touch {tmp_path}/evil)", timeout=5)
    engine.order(do="erase", id="i-1.1")
    engine.order(text='x", "do": "reboot", "id": "y', do="ack", id="i-10.1")
    reboot = curl_node.stub("reboot")
    curl_node.agent()
    curl_node.until(lambda: curl_node.attempts.state("wait", "i-10.1", "0")["state"] == "acknowledged", "the good order")
    assert not (tmp_path / "evil").exists()
    assert not reboot.exists()
    assert curl_node.said.read_text().count("without a usable id") == 2


def test_reboot_says_bye_first(curl_node: Node, engine: Engine) -> None:
    reboot = curl_node.stub("reboot")
    engine.order(do="reboot")
    curl_node.agent()
    curl_node.until(reboot.exists, "reboot")
    assert engine.byes == [{"reason": "reboot"}]


def test_kexec_starts_what_the_install_left_else_reboots(curl_node: Node, engine: Engine) -> None:
    reboot, kexec = curl_node.stub("reboot"), curl_node.stub("kexec")
    systemctl = curl_node.stub("systemctl")
    engine.order(do="kexec")
    curl_node.agent()
    curl_node.until(reboot.exists, "reboot, as there is no kernel")
    assert not kexec.exists()
    curl_node.kill()
    at = curl_node.attempts.home / "kexec"
    at.mkdir()
    (at / "kernel").touch()
    (at / "initrd").touch()
    (at / "cmdline").write_text("root=/dev/sda2 ro quiet\n")
    engine.order(do="kexec")
    curl_node.agent()
    curl_node.until(lambda: systemctl.exists() or len(kexec.read_text().splitlines()) == 2 if kexec.exists() else False, "kexec")
    assert kexec.read_text().splitlines()[0] == f"-l {at}/kernel --command-line=root=/dev/sda2 ro quiet --initrd={at}/initrd"
    assert engine.byes[-1] == {"reason": "kexec"}


def test_an_installed_system_says_hello_and_bye(node: Node, engine: Engine) -> None:
    node.write("proc/cmdline", "root=/dev/sda2 ro quiet\n")
    node.write("etc/crowbar/url", f"http://127.0.0.1:{engine.port}\n")
    node.write("etc/crowbar/environment", "debian-12\n")
    node.write("etc/crowbar/credential", "cred.n1.0123456789abcdef\n")
    assert node.agent("hello").wait(30) == 0, node.said.read_text()
    assert "nonce" not in engine.hellos[0]
    assert engine.hellos[0]["credential"] == "cred.n1.0123456789abcdef"
    assert engine.hellos[0]["environment"] == "debian-12"
    assert node.agent("bye", "shutdown").wait(30) == 0
    assert engine.byes == [{"reason": "shutdown"}]
    for path in (node.attempts.home / "agent").iterdir():  # the token is in there
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("cmdline", "message"),
    [
        ("", "crowbar.url"),
        ("crowbar.url=file:///etc/passwd crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://h/path crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://$(id) crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://h crowbar.env=sledgehammer", "crowbar.nonce"),
        ('crowbar.url=http://h crowbar.nonce=a"b crowbar.env=sledgehammer', "crowbar.nonce"),
        ("crowbar.url=http://h crowbar.nonce=x crowbar.env=a/b", "crowbar.env"),
    ],
)
def test_unusable_settings_are_said(tmp_path: Path, engine: Engine, cmdline: str, message: str) -> None:
    node = Node(Shell("dash", tmp_path), tmp_path, engine)
    node.write("proc/cmdline", cmdline)
    assert node.agent().wait(30) == 1
    assert message in node.said.read_text()
