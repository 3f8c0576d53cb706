"""Racks by kind: which description a `rack.yml` holds. Pure."""

from __future__ import annotations

import yaml

from . import description as simulated
from .description import Description, RackFileWrong
from .qemu import description as qemu
from .qemu.description import QemuDescription

AnyDescription = Description | QemuDescription


def parse(text: str) -> AnyDescription:
    """The description in a YAML text, by its `kind`. Raises RackFileWrong."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise RackFileWrong(str(wrong)) from wrong
    return qemu.parse(text) if isinstance(found, dict) and found.get("kind") == "qemu" else simulated.parse(text)


def render(description: AnyDescription) -> str:
    """The YAML text of a description: `parse(render(d)) == d`."""
    return qemu.render(description) if isinstance(description, QemuDescription) else simulated.render(description)
