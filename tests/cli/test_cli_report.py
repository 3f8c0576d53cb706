"""`crowbar report`: what it lists, and that no machine's text is markup."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli_store import Run
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.report_pages import markdown, page
from engine.views.shift_report import Action, ShiftReport


class Seen(HTMLParser):
    """Tags of a page, and the text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag == "td":
            self.cells.append("")
        self._open = tag == "td" or (self._open and tag not in ("tr", "table"))

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


def report(text: str) -> ShiftReport:
    actions = (Action(at=1.0, who="ada", node="node-1", text=text),)
    return ShiftReport(
        site="lab", at=10.0, since=0.0, ready=0, machines=(), links=(), steps=(), versions=(), deviations=((text, text),), actions=actions
    )


@given(st.text(min_size=1, max_size=40))
def test_text_stays_text(text: str) -> None:
    seen = Seen(page(report(text)))
    shown = " ".join("".join(c if c != "\0" else "�" for c in text).split())
    assert seen.cells[:2] == [shown, shown]
    assert seen.cells[-1] == shown
    assert seen.tags <= set("html head meta title style body h1 h2 p table thead tbody tr th td".split())


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a | b", "**x** `y` [z](http://x)", "a\n\n# b", "\\| \\", "&lt;"])
def test_markup_of_a_machine(text: str) -> None:
    assert Seen(page(report(text))).cells[0] == " ".join(text.split())


def test_of_a_rack(crowbar: Run, tmp_path: Path) -> None:
    code, out, _ = crowbar("report")
    assert code == 0
    for wanted in ("of 3 machines ready", "control-10", "## Cables to move", "tor1:swp40", "## Versions", "| barclamp | network |"):
        assert wanted in out
    for name, begins in (("shift.html", "<!doctype html>"), ("shift.md", "# Shift report")):
        code, told, _ = crowbar("report", "-o", str(tmp_path / name))
        assert (code, (tmp_path / name).read_text().startswith(begins)) == (0, True)
        assert name in told
    assert html.escape("tor1:swp40") in (tmp_path / "shift.html").read_text()
    assert [one.name for one in sorted(tmp_path.iterdir()) if "part" in one.name] == []
    assert crowbar("report", "-o", str(tmp_path / "no" / "x.md"))[0] == 2


@pytest.mark.usefixtures("engine")
def test_actions_have_their_person(crowbar: Run) -> None:
    assert crowbar("node", "control-10", "hold")[0] == 0
    out = crowbar("report")[1]
    assert "## Actions of test" in out
    (held,) = [line for line in out.splitlines() if line.startswith("| ") and " held" in line]
    assert held.split(" | ")[1] == "control-10.r1.test"
    assert "Nobody did anything" in crowbar("report", "--hours", "0.000001")[1]


def test_an_empty_report_says_so() -> None:
    text = markdown(
        ShiftReport(site="", at=1.0, since=0.0, ready=0, machines=(), links=(), steps=(), versions=(), deviations=(), actions=())
    )
    assert "No machine is known." in text
    assert "Nobody did anything." in text
