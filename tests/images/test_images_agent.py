"""The agent: hello, a task, its log and result; refusals, and a server that is away."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from agent_rig import NONCE, Node
from fake_engine import Engine

from engine.core.boot.hello import PROTOCOL

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
        "nonce": NONCE,
        "boot_id": "boot-one",
        "environment": "sledgehammer",
        "uuid": "4c4c4544-0042-3510-8053-b4c04f4d3732",
        "serial": 'SN"7\\',
        "macs": ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"],
    }
    assert len(engine.hellos) == 2
    assert (
        engine.results
        == [{"id": "i-7.1", "state": "ended", "exit": 64, "message": "", "gives": {"disks": [{"name": "sda"}], "error": "no"}}] * 3
    )
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
