"""`crowbar hardware`: what machines are made of. Each verb has a module; one line here adds it."""

from __future__ import annotations

import argparse

from . import hardware_machines, hardware_read, wipe_certificates

VERBS = (
    hardware_read.add,
    hardware_machines.add,
    wipe_certificates.add,
)  # fmt: skip
"""Each takes the verbs of the group, and adds its own."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    said = "what machines are made of, how they differ, certificates of wiped disks, recorded reports of hardware tools"
    group = commands.add_parser("hardware", help=said)
    verbs = group.add_subparsers(dest="verb", required=True)
    for verb in VERBS:
        verb(verbs)
