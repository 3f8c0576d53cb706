"""`crowbar hardware`: what machines are made of. Each verb has a module; one line here adds it."""

from __future__ import annotations

import argparse

from . import hardware_read

VERBS = (
    hardware_read.add,
)  # fmt: skip
"""Each takes the verbs of the group, and adds its own."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("hardware", help="read reports of hardware: dmidecode, lshw, smartctl, ipmitool, lldpcli and others")
    verbs = group.add_subparsers(dest="verb", required=True)
    for verb in VERBS:
        verb(verbs)
