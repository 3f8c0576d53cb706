"""Racks by kind: the spec in a `rack.yml`. Pure."""

from __future__ import annotations

from .qemu import spec as qemu
from .qemu.spec import QemuRackSpec
from .simulated import spec as simulated
from .simulated.spec import SimulatedRackSpec

AnyRackSpec = SimulatedRackSpec | QemuRackSpec


def parse(text: str) -> AnyRackSpec:
    """The spec in a YAML text, by its `kind`. Raises RackFileWrong."""
    found = simulated.tree(text)
    return qemu.parse(text) if isinstance(found, dict) and found.get("kind") == "qemu" else simulated.parse(text)


def render(spec: AnyRackSpec) -> str:
    """The YAML text of a spec: `parse(render(spec)) == spec`."""
    return qemu.render(spec) if isinstance(spec, QemuRackSpec) else simulated.render(spec)
