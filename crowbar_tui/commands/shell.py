"""`crowbar shell`: the captive command of an SSH account (sshd's ForceCommand). Console, status and the upload of a bundle; nothing else.

    ForceCommand crowbar --store /var/lib/crowbar/store shell

The client's own command is in SSH_ORIGINAL_COMMAND. It is one of a table, word by word. No part of it is a path, a pattern or an option.
"""

from __future__ import annotations

import argparse
import os
import sys

from engine.api import bundles
from engine.api.documents import shown
from engine.api.views import DECODING, held

from .. import captive
from ..console.lifecycle import manner_of, open_watching, terminal
from .bundle import fingerprint_argument, guarded, tell_of
from .look import status

WORDS = {
    "": "console",
    "console": "console",
    "status": "status",
    "status --json": "status --json",
    "bundle": "bundle",
    "bundle --json": "bundle --json",
    "help": "help",
}
"""What a client may ask for -> what it gets."""
LARGEST_GIB = 64
_HELP = """\
ssh -t HOST                 the console
ssh HOST status [--json]    the state of the rack
ssh HOST bundle <FILE       upload a bundle: it is checked, then opened
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shell = commands.add_parser("shell", help="for sshd's ForceCommand: console, status and the upload of a bundle, and no way to a shell")
    shell.add_argument("--read-only", dest="watching", action="store_true", help="the console orders nothing, and no bundle is taken")
    key = "take bundles that this key signed: the fingerprint that bundle create printed (default: this site's own key)"
    shell.add_argument("--key", type=fingerprint_argument, default=None, metavar="FINGERPRINT", help=key)
    largest = f"largest bundle in GiB, 1 to 1024 (default {LARGEST_GIB})"
    shell.add_argument("--largest", type=_gib, default=LARGEST_GIB, metavar="GIB", help=largest)
    shell.set_defaults(run=_shell)


def _gib(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:5]) <= 1024:
        raise argparse.ArgumentTypeError(f"{text[:20]} is not a whole number from 1 to 1024")
    return int(text)


def _shell(arguments: argparse.Namespace) -> int:
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    what = WORDS.get(asked)
    if what is None:
        allowed = ", ".join(word for word in WORDS if word)
        print(f"crowbar: {shown(asked)} is not allowed here; allowed: {allowed}", file=sys.stderr)
        return 2
    captive.wall(arguments.store, (DECODING,))
    word, _, option = what.partition(" ")
    arguments.json = bool(option)
    if word == "help":
        print(_HELP, end="")
        return 0
    if word == "status":
        return status(arguments)
    if word == "bundle":
        return guarded(_receive, arguments)
    return _console(arguments)


def _console(arguments: argparse.Namespace) -> int:
    if not terminal():
        print(f"crowbar: the console needs a terminal\n{_HELP}", end="", file=sys.stderr)
        return 2
    if not held(arguments.store):
        print("crowbar: no engine runs here; what you see is the last state", file=sys.stderr)
    return open_watching(arguments.store, manner_of(arguments.watching, captive=True))


def _receive(arguments: argparse.Namespace) -> int:
    if arguments.watching:
        print("crowbar: this account only looks: no bundle is taken", file=sys.stderr)
        return 1
    if os.isatty(0):
        print("crowbar: the bundle comes from standard input: ssh HOST bundle <FILE", file=sys.stderr)
        return 2
    most = arguments.largest << 30
    tape = bundles.receive_bundle(arguments.store, sys.stdin.fileno(), arguments.key or "", most)
    tell_of(arguments, "the bundle", tape.manifest, tape.fingerprint, f"signed with the key {tape.fingerprint}")
    if not arguments.json:
        print(f"opened into {arguments.store}; the plan is {arguments.store / 'bundle' / 'plan.yml'}")
    return 0
