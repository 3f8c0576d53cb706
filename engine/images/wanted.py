"""The images that a plan's servers boot and install, and the warnings about them before any server is powered on."""

from __future__ import annotations

from pathlib import Path

from ..files.catalog import shipped
from ..plan import Plan
from .shelf import image_states


def wanted(plan: Plan) -> list[str]:
    """Names, in order."""
    out = {"loader", "sledgehammer"}
    settings = [given for rule in plan.rules for given in (rule.attributes, *(one.attributes for one in rule.roles.values()))]
    for given in (plan.attributes, *(deployment.attributes for deployment in plan.deployments.values()), *settings):
        if "target-os" in given:
            method = given.get("install-method", plan.attributes.get("install-method", "image"))
            out.add(_image_for(str(given["target-os"]), str(method)))
    return sorted(out)


def missing(store: Path, plan: Plan) -> dict[str, str]:
    """Image that is missing or damaged -> a sentence."""
    found = {str(row["name"]): row for row in image_states(store)}
    why = {name: str(found[name]["reason"]) if name in found else f"there is no image {name}" for name in wanted(plan)}
    return {name: text for name, text in why.items() if not found.get(name, {}).get("whole")}


def remarks(store: Path, plan: Plan) -> list[str]:
    """A line for each image that is missing, damaged, or built by another version of this program, with advice."""
    others = {str(row["name"]): str(row["other"]) for row in image_states(store) if row["other"]}
    lines = missing(store, plan) | {name: others[name] for name in wanted(plan) if name in others}
    return [f"{text}; crowbar image build {name}" for name, text in sorted(lines.items())]


def _image_for(system: str, method: str) -> str:
    """Name of the image for a system."""
    images = shipped().images.values()
    return next((i.name for i in images if i.kind == "installer" and (i.installs, i.method) == (system, method)), system)
