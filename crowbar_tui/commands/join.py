"""`crowbar node join ADDRESS[:PORT]` adopts an installed machine as a node of kind joined. Its SSH server listens on PORT, by default 22.

Somebody must confirm the machine's SSH host key. In a terminal the command shows the fingerprint and asks. Elsewhere `--host-key` gives it;
without it the engine refuses, and the refusal tells the fingerprint. A password comes from standard input or from a prompt, never from an
argument.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from engine.api.control import Attached, AttachError, Reason, Receipt

from .. import answers
from ..paths import path

LARGEST = 64 * 1024
"""Most bytes of a key file or a password."""
UNCONFIRMED = "join_host_key"


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--user", default="", metavar="USER", help="for join: log in as (default: root); another user needs sudo")
    command.add_argument("--name", default="", metavar="NAME", help="for join: the node's name (default: the machine's host name)")
    secret = command.add_mutually_exclusive_group()
    secret.add_argument("--key", type=path, default=None, metavar="FILE", help="for join: log in with this private key")
    secret.add_argument("--password-stdin", action="store_true", help="for join: log in with the first line of standard input")
    fingerprint = "for join: the machine's SSH host key, as SHA256:... or as a line"
    command.add_argument("--host-key", default="", metavar="FINGERPRINT", help=fingerprint)


def given(arguments: argparse.Namespace) -> bool:
    """True if an option of `join` was given."""
    return bool(arguments.user or arguments.name or arguments.key or arguments.password_stdin or arguments.host_key)


def adopt(arguments: argparse.Namespace, address: str) -> int:
    """Exit code 0: joined; 1: refused; 2: bad use."""
    try:
        password = _password() if arguments.password_stdin else None
        key = _read(arguments.key) if arguments.key is not None else None
    except ValueError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    host_key = arguments.host_key
    while True:
        try:
            with Attached(arguments.store) as engine:
                answer = engine.join(
                    address,
                    user=arguments.user or "root",
                    name=arguments.name,
                    host_key=host_key,
                    password=password,
                    private_key=key,
                )
        except AttachError as error:
            return answers.no_engine(error)
        shown = _to_confirm(answer) if not host_key and not arguments.json and sys.stdin.isatty() else ""
        if not shown:
            return answers.tell(address, "join", answer, arguments.json)
        print(f"{address} shows the SSH host key {shown}")
        print("Compare it with the machine's own screen: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
        if input("Is it the same? (yes/no) ").strip().lower() != "yes":
            return answers.tell(address, "join", answer, arguments.json)
        host_key = shown


def _to_confirm(answer: Receipt | Reason) -> str:
    """The fingerprint that nobody has confirmed yet. Empty: that is not what the engine asks."""
    return str(answer.fields["fingerprint"]) if isinstance(answer, Reason) and answer.code == UNCONFIRMED else ""


def _password() -> str:
    """Raises ValueError with a sentence."""
    if sys.stdin.isatty():
        text = getpass.getpass("password: ")
    else:
        text = sys.stdin.readline(LARGEST + 1).rstrip("\r\n")
    if not text or len(text) > LARGEST:
        raise ValueError("standard input gives no password")
    return text


def _read(file: Path) -> str:
    """The text of a private key. Raises ValueError with a sentence."""
    try:
        with file.open("rb") as stream:
            text = stream.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot read {file} ({error.strerror})") from None
    if len(text) > LARGEST or not text.isascii():
        raise ValueError(f"{file} is not a private key")
    return text.decode("ascii")
