"""What Tempest's runners say while they run (subunit, version 2) -> the report of the role. No test that was to run is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tempest_suites import Chosen, parts, plain

LINE, NAME = 300, 200
MOST_GROUPS, MOST_TESTS, MOST_BYTES = 500, 2000, 200_000
MOST_S = 1e7
"""Of a report; tests of one group. All gives of a task may have 262,144."""
_RESULT = {"success": "passed", "xfail": "passed", "skip": "skipped", "fail": "failed", "uxsuccess": "failed"}
_FIXTURE = re.compile(r"(setUp|tearDown)Class \((.+)\)")


@dataclass
class Ended:
    """A test that ended, or a class whose preparation did."""

    id: str
    result: str
    line: str
    begun: float
    ended: float
    text: str = ""
    """Of a failed one: all that it said."""


def ended(told: Mapping[str, Any]) -> Ended | None:
    """Of a dictionary of testtools' StreamToDict. None: no test."""
    if told["status"] == "exists":
        return None
    result = _RESULT.get(told["status"], "failed")
    details = {name: one.as_text() for name, one in told["details"].items() if one.content_type.type == "text"}
    start, end = (one.timestamp() if one is not None else 0.0 for one in told["timestamps"])
    text = "\n".join(details[name] for name in sorted(details) if name.startswith("traceback"))
    line = details.get("reason", "") if result == "skipped" else ""
    if result == "failed":
        line = cause(text) or ("it did not end: its process was killed or fell" if told["status"] == "inprogress" else "it said nothing")
    return Ended(told["id"], result, _one_line(line), start or end, end or start, text if result == "failed" else "")


def cause(traceback: str) -> str:
    """What a traceback ends with: the line that names the exception, and the line with its details if there is one."""
    lines = traceback.strip("\n").split("\n")
    last = max((at for at, line in enumerate(lines) if line.startswith("  ")), default=-1)
    told = [line.strip() for line in lines[last + 1 :] if line.strip()]
    return " ".join(told[:2])


def _one_line(text: str) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= LINE else flat[: LINE - 3] + "..."


@dataclass
class Results:
    chosen: Chosen
    tests: dict[str, Ended] = field(default_factory=dict)
    """Test without tags -> how it ended."""
    fixtures: dict[str, Ended] = field(default_factory=dict)
    """Class -> its preparation, which failed or said that the class is skipped."""
    services: dict[str, str] = field(default_factory=dict)
    """Service -> why it does not answer. Empty: it does."""
    spans: dict[str, list[float]] = field(default_factory=dict)
    """Class -> when its worker began with it, and when its last test ended."""
    _last: dict[int, float] = field(default_factory=dict)

    def take(self, worker: int, one: Ended) -> None:
        found = _FIXTURE.match(one.id)
        group = found[2] if found is not None else parts(one.id)[0]
        if found is None:
            self.tests[plain(one.id)] = one
        elif one.result != "passed":
            self.fixtures[group] = one
        span = self.spans.setdefault(group, [self._last.get(worker, one.begun), one.ended])
        span[1] = self._last[worker] = max(span[1], one.ended)

    def next_worker(self, number: int) -> None:
        """That worker ended: what comes next under its number begins anew."""
        self._last.pop(number, None)

    @property
    def done(self) -> int:
        """Tests that ended, with those of a class that was skipped or failed as a whole."""
        return len(self.tests) + sum(plain(one) not in self.tests and parts(one)[0] in self.fixtures for one in self.chosen.run)

    @property
    def bad(self) -> int:
        """Those that failed so far."""
        return sum(one.result == "failed" for one in (*self.tests.values(), *self.fixtures.values()))

    def failed(self) -> list[tuple[str, str]]:
        """Name and line of each test that failed, in the order of the names."""
        return [(name, line) for name, result, _, line in self._all() if result == "failed"]

    def texts(self) -> list[tuple[str, str]]:
        """Name and everything that was said, for the log."""
        return [(one.id, one.text) for one in (*self.fixtures.values(), *self.tests.values()) if one.text]

    def _all(self) -> Iterable[tuple[str, str, float, str]]:
        """Name, result, seconds and line of every test that was to run or is excluded."""
        for name, wrong in self.services.items():
            yield f"services.{name}", "failed" if wrong else "passed", 0.0, _one_line(wrong)
        for test in self.chosen.run:
            name = plain(test)
            one, whole = self.tests.get(name), self.fixtures.get(parts(test)[0])
            if one is not None:
                yield name, one.result, max(one.ended - one.begun, 0.0), one.line
            elif whole is not None:
                yield name, whole.result, 0.0, whole.line
            else:
                yield name, "failed", 0.0, "it was not run: its process ended before"
        for group, one in self.fixtures.items():
            if one.id.startswith("tearDown"):
                yield f"{group}.tearDownClass", one.result, 0.0, one.line
        for name, reason in self.chosen.excluded.items():
            yield name, "excluded", 0.0, reason
        for suite, reason in self.chosen.left_out.items():
            yield f"suites.{suite}", "skipped", 0.0, reason

    def report(self, seconds: float) -> dict[str, Any]:
        """The attribute `tempest-results`."""
        groups: dict[str, list[dict[str, Any]]] = {}
        totals = dict.fromkeys(("passed", "failed", "skipped", "excluded"), 0)
        for name, result, took, line in self._all():
            group, method = parts(name)
            totals[result] += 1
            one: dict[str, Any] = {"name": _name(method), "result": result, "seconds": _seconds(took)}
            groups.setdefault(group, []).append(one | ({"line": line} if line else {}))
        rows = []
        for group, tests in sorted(groups.items()):
            begun, end = self.spans.get(group, [0.0, 0.0])
            rows.append({"name": _name(group), "seconds": _seconds(end - begun), "tests": tests})
        return {**totals, "seconds": _seconds(seconds), "groups": _bounded(rows)}


def _name(text: str) -> str:
    """A name that a report may have, whatever the runner says."""
    return "".join(one if one.isprintable() else "?" for one in text[:NAME]) or "?"


def _seconds(took: float) -> float:
    return round(min(max(took, 0.0), MOST_S), 3)


def _bounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many tests as fit, failed ones first. The totals count all of them."""
    room, groups = MOST_BYTES, set[int]()
    keep: set[tuple[int, int]] = set()
    kept = [0] * len(rows)
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row["tests"]))]
    for i, j in sorted(places, key=lambda at: rows[at[0]]["tests"][at[1]]["result"] != "failed"):
        if kept[i] == MOST_TESTS:
            continue
        room -= len(json.dumps(rows[i]["tests"][j])) + 2 + (0 if i in groups else len(rows[i]["name"]) + 60)
        if room < 0 or (i not in groups and len(groups) == MOST_GROUPS):
            break
        groups.add(i)
        kept[i] += 1
        keep.add((i, j))
    return [{**rows[i], "tests": [test for j, test in enumerate(rows[i]["tests"]) if (i, j) in keep]} for i in sorted(groups)]
