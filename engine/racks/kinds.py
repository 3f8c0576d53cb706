"""Racks by kind: which description a `rack.yml` holds. Pure."""

from __future__ import annotations

from .qemu import description as qemu
from .qemu.description import QemuDescription
from .simulated import description as simulated
from .simulated.description import Description

AnyDescription = Description | QemuDescription


def parse(text: str) -> AnyDescription:
    """The description in a YAML text, by its `kind`. Raises RackFileWrong."""
    found = simulated.tree(text)
    return qemu.parse(text) if isinstance(found, dict) and found.get("kind") == "qemu" else simulated.parse(text)


def render(description: AnyDescription) -> str:
    """The YAML text of a description: `parse(render(d)) == d`."""
    return qemu.render(description) if isinstance(description, QemuDescription) else simulated.render(description)
