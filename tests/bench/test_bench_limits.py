"""What benchmarks share: the limit ends them and says what they waited for, helpers end with them, and figures compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import against
import pytest
from limits import OUT_OF_TIME

BENCH = Path(__file__).parent
HEAD = f"import subprocess, sys, threading\nsys.path.insert(0, {str(BENCH)!r})\nfrom limits import figure, run, waiting_for\n"


def program(body: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD + body], capture_output=True, text=True, timeout=60, env={**os.environ, **env}, check=False
    )


def test_a_benchmark_at_its_limit_says_what_it_waited_for() -> None:
    done = program("def main():\n with waiting_for('the first row'):\n  threading.Event().wait()\nraise SystemExit(run('x', main, 0.3))")
    assert done.returncode == OUT_OF_TIME
    assert done.stderr.startswith("bench_x: ended after ")
    assert done.stderr.endswith("its limit; waited for the first row\n")
    assert done.stdout == ""


def test_what_was_waited_for_before_is_not_named() -> None:
    body = "def main():\n with waiting_for('one'): pass\n with waiting_for('two'):\n  threading.Event().wait()\nraise SystemExit(run('x', main, 0.3))"
    assert "waited for two\n" in program(body).stderr


def test_a_helper_process_ends_with_its_benchmark() -> None:
    body = """
def main():
    with subprocess.Popen(["sleep", "600"]) as helper:
        print(helper.pid, flush=True)
        try:
            with waiting_for("a helper"):
                helper.wait()
        finally:
            helper.kill()
raise SystemExit(run("x", main, 0.5))
"""
    done = program(body)
    assert done.returncode == OUT_OF_TIME
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_a_limit_can_be_made_longer_for_a_slow_machine() -> None:
    body = "def main():\n threading.Event().wait(1)\nraise SystemExit(run('x', main, 0.1))"
    assert program(body).returncode == OUT_OF_TIME
    assert program(body, CROWBAR_BENCH_TIMES="300").returncode == 0


def test_the_last_line_is_the_figures() -> None:
    done = program("def main():\n print('a table')\n figure('an event', 1.23456789, 'us')\n return 0\nraise SystemExit(run('x', main, 30))")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "bench": "x",
        "figures": [{"name": "an event", "value": 1.23457, "unit": "us", "better": "less"}],
    }


@pytest.mark.parametrize(("said", "code"), [("None", 0), ("True", 0), ("False", 1), ("0", 0), ("3", 3)])
def test_exit_codes(said: str, code: int) -> None:
    assert program(f"raise SystemExit(run('x', lambda: {said}, 30))").returncode == code


@pytest.mark.parametrize("file", sorted(BENCH.glob("bench_*.py")), ids=lambda file: file.stem)
def test_every_benchmark_has_a_limit_and_figures(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert f'raise SystemExit(run("{file.stem.removeprefix("bench_")}", ' in text
    assert "figure(" in text


def test_the_best_of_all_rounds_is_taken_and_a_ratio_above_one_is_worse() -> None:
    less = [{"t": {"name": "t", "value": v, "unit": "us", "better": "less"}} for v in (3.0, 1.0, 2.0)]
    more = [{"t": {"name": "t", "value": v, "unit": "/s", "better": "more"}} for v in (3.0, 1.0, 2.0)]
    assert against.best(less)["t"]["value"] == 1.0
    assert against.best(more)["t"]["value"] == 3.0
    assert against.ratio(less[0]["t"], less[1]["t"]) == 3.0
    assert against.ratio(more[0]["t"], more[1]["t"]) == pytest.approx(1 / 3)
    (line,) = against.lines("core", less[0], less[1], "v1")
    assert line == "core: t: 3 us, v1 1 us, ratio 3.00  <-- worse"
    assert against.lines("core", less[0], {}, "v1") == ["core: t: 3 us; v1 has no such figure"]


def test_a_revision_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert against.main(["no-such-revision"]) == 2
    assert capsys.readouterr().err == "against.py: git knows no commit 'no-such-revision'\n"


def test_a_benchmark_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert against.main(["HEAD", "cores"]) == 2
    assert "there is no benchmark 'cores'; there are bmcs, commands, commit, console, core, " in capsys.readouterr().err


def test_a_name_that_has_moved_is_imported_from_where_the_other_revision_has_it() -> None:
    sources = {"engine.work": "class Work:\n", "engine.bind": "def allocate(w):\ndef bound(w):\n", "engine.step": "def step(w):\n"}
    text = "from engine.core.step import step\nfrom engine.core.world.work import Work\nfrom engine.a.b import allocate, bound, gone\n"
    assert against.moved(text, {**sources, "engine.core.step": ""}).splitlines() == [
        "from engine.core.step import step",
        "from engine.work import Work",
        "from engine.bind import allocate",
        "from engine.bind import bound",
        "from engine.a.b import gone",
    ]
