"""The agent: tasks that are given again, asked for, cut off or damaged."""

from __future__ import annotations

from pathlib import Path

from agent_rig import Node
from fake_engine import Engine


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


def test_a_task_may_run_as_long_as_the_engine_says_up_to_a_week(curl_node: Node, engine: Engine, tmp_path: Path) -> None:
    """A wipe has 96 h, and a patience of 3 makes that a number of seven digits."""
    for id, limit, kept in (("i-10.1", 345_600, 345_600), ("i-11.1", 1_036_800, 604_800)):
        engine.run(id, f'while [ ! -e "{tmp_path}/{id}" ]; do sleep 0.1; done', timeout=limit)
        if id == "i-10.1":
            curl_node.agent()
        folder = curl_node.attempts.folder(id)
        curl_node.until(lambda folder=folder: (folder / "started").exists(), "the task runs")
        assert f"limit={kept}\n" in (folder / "started").read_text()
        (tmp_path / id).touch()
        curl_node.until(lambda id=id: any(one["id"] == id for one in engine.results), "the result")
