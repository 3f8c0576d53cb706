"""`crowbar api` makes, lists and revokes the tokens and certificates of operators for the HTTP API. The engine uses a change at once."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.api.operators import (
    CA_CERTIFICATE,
    DAYS,
    LONGEST_DAYS,
    Credential,
    certificates,
    keys_beside,
    make_certificate,
    make_token,
    operators,
    revoke_certificates,
    revoke_token,
)
from engine.api.views import StoreError

from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    api = commands.add_parser("api", help="make, list or revoke tokens and certificates for the HTTP API")
    group = api.add_subparsers(dest="verb", required=True, metavar="VERB")
    named = "the name that the journal shows for this operator's orders"
    token = group.add_parser("token", help="make the token of an operator, and print it once")
    token.add_argument("name", metavar="NAME", help=named)
    token.set_defaults(run=_guarded(_token))
    certificate = group.add_parser("certificate", help="make a private key and a certificate of an operator")
    certificate.add_argument("name", metavar="NAME", help=named)
    certificate.add_argument(
        "--days", type=int, default=DAYS, metavar="N", help=f"valid for N days (default {DAYS}, at most {LONGEST_DAYS})"
    )
    text = "write NAME.key, NAME.crt and ca.crt there; the private key is kept nowhere else"
    certificate.add_argument("-o", "--output", type=path, required=True, metavar="FOLDER", help=text)
    certificate.set_defaults(run=_guarded(_certificate))
    end = group.add_parser("revoke", help="make the token and the certificates of an operator worthless")
    end.add_argument("name", metavar="NAME")
    end.set_defaults(run=_guarded(_revoke))
    for verb in ("list", "tokens"):
        every = group.add_parser(verb, help="list the tokens and certificates of operators; the secrets themselves are not kept")
        every.add_argument("--json", action="store_true", help="print one JSON object per line")
        every.set_defaults(run=_guarded(_list))


def _token(arguments: argparse.Namespace) -> int:
    token = make_token(keys_beside(arguments.store), arguments.name, time.time())
    print(token)
    print(f"crowbar: this is the token of {arguments.name}, and it is shown only now: only its hash is kept", file=sys.stderr)
    return 0


def _certificate(arguments: argparse.Namespace) -> int:
    keys, folder, name = keys_beside(arguments.store), arguments.output, arguments.name
    until: list[float] = []

    def keep(made: Credential) -> None:
        _write(folder, name, made)
        until.append(made.until)

    make_certificate(keys, name, arguments.days, time.time(), keep)
    authority = keys / CA_CERTIFICATE
    if authority.is_file():
        (folder / CA_CERTIFICATE).write_bytes(authority.read_bytes())
    print(f"wrote {folder / f'{name}.key'} and {folder / f'{name}.crt'}, valid until {_time(until[0])}")
    print(f"crowbar: the private key of {name} is only there: move it to the operator's machine, and keep it secret", file=sys.stderr)
    return 0


def _write(folder: Path, name: str, made: Credential) -> None:
    """Writes both files, or none. Never replaces one: it may be a key in use."""
    there = [one for one in (folder / f"{name}.key", folder / f"{name}.crt") if one.exists() or one.is_symlink()]
    if there:
        raise StoreError(f"{there[0]} exists: move it away, or name another folder with -o")
    done: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for end, content, mode in (("key", made.key, 0o600), ("crt", made.certificate, 0o644)):
            file = folder / f"{name}.{end}"
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            done.append(file)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        for file in done:
            file.unlink(missing_ok=True)
        raise StoreError(f"cannot write into {folder} ({error.strerror}): name a folder that you may write to with -o") from error


def _revoke(arguments: argparse.Namespace) -> int:
    keys, name = keys_beside(arguments.store), arguments.name
    gone = [f"the token of {name}"] if revoke_token(keys, name) else []
    if many := revoke_certificates(keys, name):
        gone.append(f"{many} certificate{'s' if many != 1 else ''} of {name}")
    if not gone:
        print(f"crowbar: {name[:40]} has no token and no certificate; list all with crowbar api list", file=sys.stderr)
        return 1
    for what in gone:
        print(f"revoked {what}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    keys, now = keys_beside(arguments.store), time.time()
    tokens, certified = operators(keys), certificates(keys)
    if arguments.json:
        for one in tokens:
            print(json.dumps({"type": "operator", "kind": "token", "name": one.name, "made": one.made}))
        for row in certified:
            state = {"until": row.until, "sha256": row.sha256, "expired": now >= row.until}
            print(json.dumps({"type": "operator", "kind": "certificate", "name": row.name, "made": row.made, **state}))
        return 0
    for one in tokens:
        print(f"{one.name:<32}  token        made {_time(one.made)}")
    for row in certified:
        print(f"{row.name:<32}  certificate  {'expired' if now >= row.until else 'valid until'} {_time(row.until)}  {row.sha256[:16]}")
    if not tokens and not certified:
        print("no operator has a token or a certificate; make one with crowbar api token NAME, or crowbar api certificate NAME -o FOLDER")
    return 0


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _guarded(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """The same command, with a sentence for a file that cannot be used."""

    def guarded(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except OSError as error:
            place = error.filename or keys_beside(arguments.store)
            raise StoreError(f"cannot use {place} ({error.strerror}): run this as the user of the engine, or with sudo") from error

    return guarded
