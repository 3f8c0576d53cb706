"""`crowbar report`: what one shift hands over to the next, as Markdown or as an HTML page."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from engine.api.control import Reader

from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("report", help="write the report of a shift: places, cables, versions, times, deviations, who did what")
    command.add_argument("--store", type=path, default=argparse.SUPPRESS, metavar="DIR", help="as before the command")
    command.add_argument("-o", "--output", type=path, metavar="FILE", help="write there; a name that ends in .html gets an HTML page")
    command.add_argument("--html", action="store_true", help="an HTML page, whatever the file's name")
    command.add_argument("--hours", type=_hours, default=0.0, metavar="N", help="actions of the last N hours only")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..report_pages import markdown, page

    now = time.time()
    with Reader(arguments.store) as reader:
        report = reader.shift_report(now, now - arguments.hours * 3600 if arguments.hours else 0.0)
    output: Path | None = arguments.output
    as_page = arguments.html or (output is not None and output.suffix.lower() in (".html", ".htm"))
    text = page(report) if as_page else markdown(report)
    if output is None:
        print(text, end="")
        return 0
    whole = output.with_name(f".{output.name}.part")
    try:
        whole.write_text(text, encoding="utf-8")
        os.replace(whole, output)
    except OSError as error:
        whole.unlink(missing_ok=True)
        print(f"crowbar: {output}: the report cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{output}: {report.ready} of {len(report.machines)} machines ready")
    return 0


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours above 0")
    return hours
