"""A check as words of a command line: a plugin of monitoring-plugins and its arguments. Every value has passed `files.checks`, whose
patterns leave out all that a shell knows."""

from __future__ import annotations

from ...checks import CHECK_KINDS, Check
from ...definitions import Catalog, Json
from .names import command_name

REACHES = "monitor-client"
"""The role by which the admin node runs checks on a node (NRPE)."""


def arguments(check: Check, domain: str) -> str:
    """Of a check that the admin node asks over the network: what follows the address. `domain`: the site's, or empty."""
    match check.kind:
        case "tcp":
            return f"-p {check.port}" + (" -S" if check.tls else "")
        case "http":
            status = f" -e {check.status}" if check.status else ""
            return f"-p {check.port} -u {check.path or '/'}{status}" + (" -S" if check.tls else "")
        case "dns":
            return check.lookup or domain or "localhost"
        case "ntp":
            return ""
        case _:
            raise ValueError(f"a check of kind {check.kind} is not asked over the network")


def on_node(check: Check) -> tuple[str, str]:
    """Of a check that runs on the node: the plugin, and its arguments. A program of the role's own has its path as plugin."""
    match check.kind:
        case "process":
            return "check_procs", f"-c 1: -C {check.process}"
        case "disk":
            return "check_disk", f"-w {check.free}% -c {check.free // 2}% -p /"
        case "script":
            return check.program, ""
        case _:
            raise ValueError(f"a check of kind {check.kind} does not run on the node")


def node_commands(catalog: Catalog) -> list[dict[str, Json]]:
    """All checks that any node may be asked to run, for NRPE: `command`, `plugin` and `arguments`, sorted by command.

    They follow from the barclamps and not from the node's roles, so that a node's NRPE does not start again with each role that comes."""
    return [
        {"command": command_name(role, check.name), "plugin": on_node(check)[0], "arguments": on_node(check)[1]}
        for role in catalog.checked
        for check in sorted(catalog.roles[role].checks, key=lambda one: one.name)
        if CHECK_KINDS[check.kind].on_node
    ]
