"""The task of one Ansible run over a batch of nodes: the tar for `attempt start` on the admin node. Pure, but for the role's folder.

| in the tar | |
|---|---|
| `run` | starts `engine.jigs.ansible_run` with the engine's own Python |
| `batch.json` | hosts, attempts and limits: a `Batch` |
| `masks.json` | the secrets to mask in logs. The run deletes it at its start |
| `project/` | the role's folder, and a playbook for its `roles/` if it has none |
| `inventory/hosts.yml` | hosts with addresses, and their groups |
| `inventory/host_vars/NAME.yml` | the variable `crowbar` of each host: its attributes |
| `known_hosts` | the pinned host key of each node |

Trap: Ansible evaluates `{{ ... }}` in variables, and its lookups run commands on the admin node. Attributes come from nodes and
operators, so each text is tagged `!unsafe`, which Ansible never evaluates.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from msgspec import Struct

from ..definitions import Json
from .order import Order
from .task_tar import TaskTarError, closed, entry, role_files

if TYPE_CHECKING:
    from .ssh import SshTarget  # the process of a run starts without paramiko

PLAYBOOK = "playbook.yml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NOT_GROUP = re.compile(r"[^A-Za-z0-9_]")


class Host(Struct, frozen=True, kw_only=True):
    """One node of a batch."""

    name: str
    """Its name in the inventory."""
    attempt: str
    """`ID.LEG` of its attempt."""


class Batch(Struct, frozen=True, kw_only=True):
    """`batch.json`: what the process of a run reads."""

    hosts: tuple[Host, ...]
    check: bool
    """True: look only (`--check`), for a verify."""
    key: str
    """File of the engine's private key."""
    gives: tuple[str, ...] = ()
    """Names of what the role gives."""


def pack(orders: Sequence[Order], key: Path) -> bytes:
    """The tar for these orders, which have the same role and action, and a target with a pinned key each. Raises TaskTarError."""
    first = orders[0]
    made = dict(_project(first))
    names = host_names(orders)
    batch = Batch(
        hosts=tuple(Host(name=names[one.attempt], attempt=one.attempt) for one in orders),
        check=first.start.action == "verify",
        key=str(key),
        gives=first.role.gives,
    )
    made["run"] = _run()
    made["batch.json"] = msgspec.json.encode(batch)
    made["masks.json"] = msgspec.json.encode(sorted({secret for one in orders for secret in one.secrets}))
    made["known_hosts"] = "".join(f"{known_host(_target(one))}\n" for one in orders).encode()
    made["inventory/hosts.yml"] = yaml.safe_dump(inventory(orders), sort_keys=True).encode()
    for one in orders:
        made[f"inventory/host_vars/{names[one.attempt]}.yml"] = host_vars(one)
    out: list[bytes] = []
    for name in sorted(made):
        out += entry(name, made[name], 0o755 if name == "run" else 0o600)
    return closed(out, {})


def _run() -> bytes:
    words = [sys.executable, "-m", "engine.jigs.ansible_run"]
    place = shlex.quote(str(Path(__file__).parents[2]))
    return f"#!/bin/sh\nPYTHONPATH={place} exec {shlex.join(words)}\n".encode()


def _project(order: Order) -> dict[str, bytes]:
    """The role's files, and a playbook that applies its roles if it has no playbook of its own."""
    files = role_files(Path(order.folder))
    made = {f"project/{name}": Path(path).read_bytes() for name, (path, _) in files.items()}
    if PLAYBOOK not in files:
        roles = sorted({name.split("/")[1] for name in files if name.startswith("roles/") and name.count("/") > 1})
        if not roles:
            raise TaskTarError(f"role {order.role.name} has neither {PLAYBOOK} nor roles/ in {order.folder}")
        made[f"project/{PLAYBOOK}"] = yaml.safe_dump([{"hosts": "all", "roles": roles}]).encode()
    return made


def host_names(orders: Sequence[Order]) -> dict[str, str]:
    """Attempt -> the host's name in the inventory: the node's name, or its id where the name is not usable or not unique."""
    out: dict[str, str] = {}
    for one in orders:
        name = one.node.name
        usable = _NAME.fullmatch(name) is not None and name not in out.values() and name != "localhost"
        out[one.attempt] = name if usable else f"node-{_NOT_GROUP.sub('_', one.node.id)}"
    return out


def inventory(orders: Sequence[Order]) -> dict[str, Json]:
    """Hosts and groups: `role_NAME`, `deployment_NAME` and `group_NAME`, with `_` for what a group's name cannot have."""
    names = host_names(orders)
    hosts: dict[str, Json] = {}
    groups: dict[str, dict[str, None]] = {}
    for one in orders:
        target = _target(one)
        name = names[one.attempt]
        hosts[name] = {"ansible_host": target.address, "ansible_port": target.port, "ansible_user": target.user}
        for kind, word in (("role", one.role.name), ("deployment", one.deployment), ("group", one.node.group)):
            if word:
                groups.setdefault(f"{kind}_{_NOT_GROUP.sub('_', word)}", {})[name] = None
    return {"all": {"hosts": hosts, "children": {name: {"hosts": dict(members)} for name, members in groups.items()}}}


def host_vars(order: Order) -> bytes:
    """The variables of one host as YAML. No text in them is a template."""
    document = {"crowbar": order.attributes, "crowbar_attempt": order.attempt, "crowbar_node": order.node.name}
    return yaml.dump(_plain(document), Dumper=_Unsafe, allow_unicode=True, default_flow_style=False, width=1 << 20).encode()


def known_host(target: SshTarget) -> str:
    """The line of `known_hosts` for a node (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    address = target.address if target.port == 22 else f"[{target.address}]:{target.port}"
    kind, body = (target.host_key or "").split()[:2]
    return f"{address} {kind} {body}"


def _target(order: Order) -> SshTarget:
    if order.target is None or order.target.host_key is None:
        raise TaskTarError(f"{order.node.name} has no address or no pinned host key")
    return order.target


class _Text(str):
    """A text that is data."""

    __slots__ = ()


class _Unsafe(yaml.SafeDumper):
    """Tags each text that is a value. Ansible never evaluates keys."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML asks for each value
        return True


_Unsafe.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))


def _plain(value: Json) -> Json:
    """The value with each text in it marked as data. Keys stay plain."""
    match value:
        case str():
            return _Text(value)
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value
