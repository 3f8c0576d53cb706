"""What the engine adds to a task whose jig calls a tool: the `run` of the jig, and the attributes in the tool's own form. Pure, but for
the files of `images/node`.

| jig | run | attributes |
|---|---|---|
| puppet | `images/node/run-puppet` | `data/attributes.json`, for Hiera |
| chef-solo | `images/node/run-chef-solo` | `node.json`: the run list, and `node['crowbar']` |
| ansible | a script that only fails: a playbook runs from the admin node. A simulated machine takes such a task all the same | none |

Trap: Hiera interpolates `%{...}` in each text of its data, keys too. `%{literal('%')}` is a percent sign (Puppet's documentation of Hiera,
"Interpolate values").

A chef-solo role's file `run-list` has one entry per line, such as `recipe[motd]`. Without it the run list is `recipe[ROLE]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..definitions import Json

TOOLS = Path(__file__).parents[2] / "images" / "node"
"""Folder of the programs that travel with tasks."""
RUN_LIST = "run-list"
MAX_RUN_LIST = 64 * 1024
NOT_HERE = b"#!/bin/sh\necho 'a playbook runs from the admin node, not here' >&2\nexit 1\n"


def _puppet(_role: str, attributes: Mapping[str, Json], _run_list: str) -> dict[str, bytes]:
    return {"run": (TOOLS / "run-puppet").read_bytes(), "data/attributes.json": _encode(_literal(attributes))}


def _chef_solo(role: str, attributes: Mapping[str, Json], run_list: str) -> dict[str, bytes]:
    entries = [line.strip() for line in run_list.splitlines() if line.strip()] or [f"recipe[{role}]"]
    return {"run": (TOOLS / "run-chef-solo").read_bytes(), "node.json": _encode({"run_list": entries, "crowbar": dict(attributes)})}


RUNNERS: dict[str, Callable[[str, Mapping[str, Json], str], dict[str, bytes]]] = {
    "puppet": _puppet,
    "chef-solo": _chef_solo,
}
"""Jig whose `run` the engine adds -> role's name, attributes and `run-list` to the added files."""


def _literal(value: Json) -> Json:
    """The value, so that Hiera returns it as it is."""
    match value:
        case str():
            return value.replace("%", "%{literal('%')}")
        case Mapping():
            return {_literal(str(key)): _literal(one) for key, one in value.items()}
        case list() | tuple():
            return [_literal(one) for one in value]
    return value


def _encode(value: Json) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
