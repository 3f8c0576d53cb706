"""`crowbar api` makes, lists and revokes the tokens of operators for the HTTP API. The engine uses a change at once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from engine.api.operators import TOKENS_FILE, keys_beside, make_token, operators, revoke
from engine.api.views import StoreError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    api = commands.add_parser("api", help="make, list or revoke tokens for the HTTP API")
    group = api.add_subparsers(dest="verb", required=True, metavar="VERB")
    token = group.add_parser("token", help="make the token of an operator, and print it once")
    token.add_argument("name", metavar="NAME", help="the name that the journal shows for this operator's orders")
    token.set_defaults(run=_guarded(_token))
    end = group.add_parser("revoke", help="make the token of an operator worthless")
    end.add_argument("name", metavar="NAME")
    end.set_defaults(run=_guarded(_revoke))
    every = group.add_parser("tokens", help="list the operators with a token; the tokens themselves are not kept")
    every.add_argument("--json", action="store_true", help="print one JSON object per line")
    every.set_defaults(run=_guarded(_tokens))


def _token(arguments: argparse.Namespace) -> int:
    token = make_token(keys_beside(arguments.store), arguments.name, time.time())
    print(token)
    print(f"crowbar: this is the token of {arguments.name}, and it is shown only now: only its hash is kept", file=sys.stderr)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    if not revoke(keys_beside(arguments.store), arguments.name):
        print(f"crowbar: {arguments.name[:40]} has no token; list all with crowbar api tokens", file=sys.stderr)
        return 1
    print(f"the token of {arguments.name} is worthless now")
    return 0


def _tokens(arguments: argparse.Namespace) -> int:
    found = operators(keys_beside(arguments.store))
    for one in found:
        if arguments.json:
            print(json.dumps({"type": "operator", "name": one.name, "made": one.made}))
        else:
            print(f"{one.name:<32}  {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(one.made))}")
    if not found and not arguments.json:
        print("no operator has a token; make one with crowbar api token NAME")
    return 0


def _guarded(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """The same command, with a sentence for a file that cannot be used."""

    def guarded(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except OSError as error:
            path = keys_beside(arguments.store) / TOKENS_FILE
            raise StoreError(f"cannot use {path} ({error.strerror}): run this as the user of the engine, or with sudo") from error

    return guarded
