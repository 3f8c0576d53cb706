"""`crowbar packages`: the package cache of the running engine."""

from __future__ import annotations

import argparse
import json
import time

from engine.api.control import Attached, AttachError, Receipt

from .. import answers, package_lines


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "packages",
        help="show the package cache: its size, its hits, and what nodes did not get",
        description="Shows the cache that gives packages to nodes and installers. Exit code 1: a package is missing, or a mirror is away.",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        with Attached(arguments.store) as engine:
            answer = engine.health()
    except AttachError as error:
        return answers.no_engine(error)
    body = answer.result if isinstance(answer, Receipt) else None
    cache = body.get("package_cache") or {} if isinstance(body, dict) else {}
    if arguments.json:
        print(json.dumps({"type": "packages", **cache}))
    elif not cache:
        print("the engine serves no packages yet: it starts with the first plan")
    else:
        for line in (package_lines.figures(cache), *package_lines.troubles(cache, time.time(), most=1000)):
            print(line)
    return 1 if cache.get("missing") or cache.get("away") else 0
