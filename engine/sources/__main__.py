"""What the scripts of `barclamps/source/roles/wheels` call: `python -m engine.sources run|verify`, with the environment of a task.

CROWBAR_SOURCES is the folder of the builds, CROWBAR_HIDES names folders that no build may see (separated by `:`).

Exit: as a role's script; 68 with the line `source: CODE: LINE`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import msgspec

from . import SourceError
from .why import why
from .wish import builds_of
from .worker import Order, Row, finished, log_of, look, plain, work

AGAIN, LACKS_SOURCE, NOT_SO, OTHER = 128, 68, 1, 2


def main(verb: str) -> int:
    if verb == "work":
        work(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
        return 0
    if verb not in ("run", "verify"):
        print("usage: python -m engine.sources run|verify", file=sys.stderr)
        return OTHER
    try:
        order = _order()
        return _run(order) if verb == "run" else _verify(order)
    except SourceError as error:
        print(f"source: {error.code}: {error}", file=sys.stderr)
        return LACKS_SOURCE if verb == "run" else NOT_SO
    except (OSError, KeyError, ValueError) as error:
        print(f"source: the task cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return OTHER


def _order() -> Order:
    """What the task asks for."""
    role = json.loads(Path("task.json").read_text(encoding="utf-8"))["role"]
    name = role.removesuffix("-wheels")
    attributes = json.loads(Path(os.environ["CROWBAR_ATTRIBUTES"]).read_text(encoding="utf-8"))
    builds = tuple(builds_of(name, attributes))
    attempt = os.environ.get("CROWBAR_ATTEMPT", "").rpartition(".")[0]
    lives_with = os.environ.get("CROWBAR_LIVES_WITH", "")
    return Order(
        id=hashlib.sha256(msgspec.json.encode([attempt, builds])).hexdigest(),
        name=name,
        builds=builds,
        sources=os.environ["CROWBAR_SOURCES"],
        hidden=tuple(filter(None, os.environ.get("CROWBAR_HIDES", "").split(":"))),
        proxy=str(attributes.get("source", {}).get("proxy") or ""),
        lives_with=int(lives_with) if lives_with.isdecimal() else 0,
    )


def _run(order: Order) -> int:
    if not order.builds:
        return _give(order, ())
    ended = look(order)
    log = log_of(order)
    if ended is None:
        last = (why(log.splitlines()[-1]) if log.strip() else "")[:150]
        print(f"source: still building {order.name}: {last}")
        with open(os.environ["CROWBAR_PROGRESS"], "a", encoding="utf-8") as progress:
            progress.write(f"0 building {order.name}: {last}\n")
        return AGAIN
    print(log, end="" if log.endswith("\n") else "\n")
    if ended.code:
        raise SourceError(ended.code, ended.line)
    return _give(order, ended.rows)


def _verify(order: Order) -> int:
    rows = finished(order)
    if rows is None:
        print(f"source: a build of {order.name} is not there", file=sys.stderr)
        return NOT_SO
    return _give(order, rows)


def _give(order: Order, rows: tuple[Row, ...] | list[Row]) -> int:
    for row in rows:
        print(
            f"source: {row.project} {row.version} of {row.wish.revision} ({row.commit[:12]}) is in {order.sources}/built-{row.key[:12]}.."
        )
    Path(os.environ["CROWBAR_GIVES"]).write_text(json.dumps({f"{order.name}-wheels": plain(rows)}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
