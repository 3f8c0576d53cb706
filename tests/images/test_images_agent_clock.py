"""The agent and the clock of its machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from agent_rig import Node, node_with
from fake_engine import Engine

NOW = 1795879200
"""2026-11-28 15:20:00 UTC"""


@pytest.mark.parametrize("wrong", [1546300800, 2147483640, 12, NOW - 3], ids=["2019", "2038", "1970", "three seconds"])
def test_a_wrong_clock_is_told_and_set(node: Node, engine: Engine, wrong: int) -> None:
    """The hello tells what the machine brought, the second one as well, and both clocks are set by the answer."""
    engine.time = NOW
    held, hardware = node.clock(wrong)
    node.agent()
    node.until(lambda: engine.polls, "orders asked for")
    assert engine.hellos[0]["clock"] == wrong
    assert held.read_text() == f"{NOW}\n"
    assert hardware.read_text() == "-w -u\n"
    engine.token = "forgotten"
    node.until(lambda: len(engine.hellos) == 2, "hello again")
    assert engine.hellos[1]["clock"] == wrong


@pytest.mark.parametrize("told", [None, NOW, NOW + 2, "soon", -5, 12, 10**15, True, 4102444801, 1.5e300])
def test_a_clock_that_is_right_or_cannot_be_told_is_left_alone(curl_node: Node, engine: Engine, told: Any) -> None:
    engine.time = told
    held, hardware = curl_node.clock(NOW)
    curl_node.agent()
    curl_node.until(lambda: engine.polls, "orders asked for")
    assert held.read_text() == f"{NOW}\n"
    assert not hardware.exists()


@pytest.mark.parametrize(("off", "is_set"), [(600, False), (-600, False), (7200, True), (-(10**8), True)])
def test_an_installed_system_s_clock_is_its_time_service_s(curl_node: Node, engine: Engine, off: int, is_set: bool) -> None:
    engine.time = NOW
    held, _ = curl_node.clock(NOW + off)
    curl_node.write("proc/cmdline", "quiet\n")
    for name, text in (("url", f"http://127.0.0.1:{engine.port}"), ("environment", "debian-12"), ("credential", "n1.0123456789abcdef")):
        curl_node.write(f"etc/crowbar/{name}", text + "\n")
    assert curl_node.agent("hello").wait(30) == 0
    assert engine.hellos[0]["clock"] == NOW + off
    assert held.read_text() == f"{NOW if is_set else NOW + off}\n"


@pytest.mark.parametrize(
    ("began", "is_set"),
    [(NOW, False), (NOW - 8, False), (NOW - 10, False), (NOW - 13, True), (NOW + 3, True)],
    ids=["at once", "late", "just", "behind", "ahead"],
)
def test_an_answer_that_is_long_on_its_way_makes_no_clock_wrong(curl_node: Node, engine: Engine, began: int, is_set: bool) -> None:
    """Ten seconds between the question and its answer: the engine's time is in between."""
    held, hardware = curl_node.clock(began, ticks=10)
    engine.time = NOW
    curl_node.agent("hello")
    curl_node.until(lambda: curl_node.process is not None and curl_node.process.poll() == 0, "the agent has said hello")
    assert held.read_text() == f"{NOW if is_set else began + 20}\n", curl_node.said.read_text()
    assert hardware.exists() == is_set


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_before_tls_the_clock_is_set_by_an_answer_in_clear(client: str, tmp_path: Path, engine: Engine) -> None:
    """The certificate of the site is not valid yet by a clock of 2019. The answer's status does not matter."""
    node = node_with(client, tmp_path, engine)
    held, hardware = node.clock(1546300800)
    node.write("etc/crowbar/ca.crt", "not one\n")
    node.write("etc/crowbar/tls", "https://127.0.0.1:9\n")
    before = time.time()
    node.agent()
    node.until(lambda: hardware.exists() and "no hello to https" in node.said.read_text(), "the clock is set, and the call over TLS made")
    node.kill()
    assert before - 2 <= int(held.read_text()) <= time.time() + 2
    assert node.said.read_text().index("is set") < node.said.read_text().index("no hello to https")
