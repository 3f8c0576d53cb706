"""`crowbar store copy FROM TO` and `crowbar store verify [PLACE] [OTHER]`: a store moves between SQLite and PostgreSQL.

A place is a store's folder, or the name of a database: `postgresql://HOST/DATABASE`.
"""

from __future__ import annotations

import argparse
import json
import sys

import msgspec

from engine.api import stores
from engine.api.stores import Examined

from ..long_task import LongTask
from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("store", help="copy a store to another place, SQLite or PostgreSQL, or verify one")
    verbs = command.add_subparsers(dest="verb", metavar="VERB", required=True)
    copy = verbs.add_parser("copy", help="copy a store to an empty place, and verify the copy; an engine that runs on FROM is stopped")
    copy.add_argument("source", type=_place, metavar="FROM", help="the folder of a store, or postgresql://HOST/DATABASE")
    copy.add_argument("target", type=_place, metavar="TO", help="a folder or a database that holds no store")
    copy.set_defaults(run=_copy)
    verify = verbs.add_parser("verify", help="read a whole store, and say what is wrong with it or how it differs from another")
    verify.add_argument("place", type=_place, nargs="?", default=None, metavar="PLACE", help="default: the store")
    verify.add_argument("other", type=_place, nargs="?", default=None, metavar="OTHER", help="compare with this one")
    verify.set_defaults(run=_verify)
    for each in (copy, verify):
        each.add_argument("--json", action="store_true", help="print one JSON object per line")


def _place(text: str) -> str:
    if not stores.is_name(text):
        return str(path(text))
    try:
        return stores.checked_name(text)
    except stores.StoreError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _copy(arguments: argparse.Namespace) -> int:
    with LongTask("copy the store", arguments.json) as task:
        last = stores.copy(arguments.source, arguments.target, task.moved)
        task.step("verifying")
        one, other = stores.examine(arguments.source), stores.examine(arguments.target)
    return _said(arguments, other, stores.differences(one, other), f"copied up to change {last}, and verified")


def _verify(arguments: argparse.Namespace) -> int:
    one = stores.examine(arguments.place or str(arguments.store))
    if not arguments.other:
        return _said(arguments, one, [], "nothing is wrong")
    return _said(arguments, one, stores.differences(one, stores.examine(arguments.other)), "both hold the same, and nothing is wrong")


def _said(arguments: argparse.Namespace, found: Examined, differ: list[str], good: str) -> int:
    wrong = [*found.wrong, *(f"they differ: {line}" for line in differ)]
    if arguments.json:
        print(json.dumps({"type": "store", **msgspec.to_builtins(found), "wrong": wrong}))
    else:
        for table in found.tables:
            print(f"{table.table:<14}{table.rows:>9}  {table.digest[:16]}")
        print(f"changes {found.first} to {found.last}: {good if not wrong else 'not as they must be'}")
    for line in wrong:
        print(f"crowbar: {line}", file=sys.stderr)
    return 1 if wrong else 0
