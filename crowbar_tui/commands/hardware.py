"""`crowbar hardware`: what machines are made of. Each verb has a module; one line here adds it."""

from __future__ import annotations

import argparse

from . import wipe_certificates

VERBS = (
    wipe_certificates.add,
)  # fmt: skip
"""Each takes the verbs of the group, and adds its own."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("hardware", help="certificates of wiped disks")
    verbs = group.add_subparsers(dest="verb", required=True)
    for verb in VERBS:
        verb(verbs)
