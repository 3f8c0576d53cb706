"""The shift report as Markdown, and as one HTML page made of it.

Markdown is the source of both, so they say the same. Text of machines and of people is escaped: no character of it is markup. The HTML page
needs no other file, prints in black on white, and has no script.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterable, Sequence

from markdown_it import MarkdownIt

from engine.api.control import ShiftReport
from engine.api.views import Link

from .console.formats import age

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 2px solid #c8553d; padding-bottom: .2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid #ddd }
th { font-weight: 600; color: #555 } tr { break-inside: avoid } @media print { body { margin: 0; max-width: none } }
"""


def page(report: ShiftReport) -> str:
    """HTML 5, in UTF-8."""
    title = html.escape(f"Shift report {report.site}".strip())
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown(report))
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


def markdown(report: ShiftReport) -> str:
    out = [f"# Shift report {_text(report.site)}".rstrip(), "", _head(report), ""]
    for title, head, rows, none in _sections(report):
        out += [f"## {title}", ""]
        out += _table(head, rows) if rows else [none]
        out.append("")
    return "\n".join(out)


def _head(report: ShiftReport) -> str:
    since = f", actions since {_moment(report.since)}" if report.since else ""
    ready = f"{report.ready} of {len(report.machines)} machines ready"
    here = f" The engine is here: {_text(report.here)}." if report.here else ""
    return f"{_moment(report.at)}{since}. {ready}, {len(report.steps)} cables to move, {len(report.deviations)} deviations.{here}"


def _sections(report: ShiftReport) -> Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]], str]]:
    """Title, names of the columns, rows, and the sentence in place of an empty table."""
    stages = list(dict.fromkeys(stage for one in report.machines for stage in one.times))
    yield (
        "Machines",
        ("place", "node", "state", "product", "serial", "system", "address", "BMC", "deployments"),
        [
            (
                f"{one.what.rack}:{one.what.place}" if one.what.rack else "",
                one.what.name,
                one.what.state,
                one.product,
                one.what.serial,
                one.system,
                one.what.address,
                one.what.bmc_address,
                ", ".join(one.what.deployments),
            )
            for one in report.machines
        ],
        "No machine is known.",
    )
    yield (
        "Cables to move",
        ("place", "node", "port", "task", "now", "target", "why"),
        [
            (f"{s.rack}:{s.unit}" if s.rack else "", s.node, " ".join(x for x in (s.link, s.nic) if x), s.task, s.now, s.target, s.why)
            for s in report.steps
        ],
        "None.",
    )
    yield (
        "Cables",
        ("switch", "port", "node", "its port", "check", "module"),
        [_cable(x) for x in report.links],
        "None was heard.",
    )
    yield (
        "Times",
        ("node", *stages, "in all", "boots"),
        [
            (
                one.what.name,
                *(age(one.times[s]) if s in one.times else "" for s in stages),
                age(one.took) if one.took else "",
                str(one.boots),
            )
            for one in report.machines
        ],
        "Nothing ran yet.",
    )
    yield "Deviations", ("what", "seen"), list(report.deviations), "None."
    yield "Versions", ("kind", "name", "version"), list(report.versions), "None."
    yield from _people(report)


def _cable(link: Link) -> tuple[str, ...]:
    """Where it ends, or else where the plan has it; its near end; the verdict; what the near end's module measures."""
    switch, _, port = link.plan.partition(":")
    module = link.faulty or (link.optics.words if link.optics is not None else "")
    return link.switch or switch, link.port or port, link.node, link.nic or link.link, link.check, module


def _people(report: ShiftReport) -> Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]], str]]:
    """What each person did, as `_sections`."""
    left_out = f" {report.dropped} older ones are left out." if report.dropped else ""
    people = sorted({one.who for one in report.actions})
    for who in people:
        mine = [(_moment(one.at), one.node, one.text) for one in report.actions if one.who == who]
        yield f"Actions of {_text(who)}", ("when", "node", "what"), mine, ""
    if not people or left_out:
        yield "Actions", (), [], f"{'' if people else 'Nobody did anything.'}{left_out}".strip()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows)]


def _text(text: str) -> str:
    """The text as text: one line, with a backslash in front of what would be markup (CommonMark, section 2.4)."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
