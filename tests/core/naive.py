"""Indexes of the world computed anew by the shortest way, from the tables alone: what the working copy keeps must equal it."""

from __future__ import annotations

from typing import Any

from engine.core.roles.derive import committed, done
from engine.core.world.ordered import Ordered
from engine.core.world.world import World


def naive(world: World) -> dict[str, dict[Any, Any]]:
    """Index -> what it has to be."""
    undone: dict[str, list[Any]] = {}
    for key, role in sorted(world.node_roles.items()):
        if committed(role) and not done(world, role):
            undone.setdefault(key[0], []).append(key)
    ready = {node: tuple(k for k in left if not set(left) & set(world.node_roles[k].parents)) for node, left in undone.items()}
    kept: dict[str, tuple[Any, ...]] = {}
    for key, role in sorted(world.node_roles.items()):
        if role.kept:
            kept[key[0]] = (*kept.get(key[0], ()), key)
    seekers: dict[str, tuple[Any, ...]] = {}
    for key, role in sorted(world.node_roles.items()):
        for name in role.seeks:
            seekers[name] = (*seekers.get(name, ()), key)
    return {
        "kept": kept,
        "seekers": {name: Ordered.of(list(keys)) for name, keys in seekers.items()},
        "undone": {node: tuple(left) for node, left in undone.items()},
        "ready": {node: left for node, left in ready.items() if left},
        "above": {name: _above(world, name) for name in world.deployments},
    }


def _above(world: World, name: str) -> tuple[str, ...]:
    out: tuple[str, ...] = ()
    while name and name not in out:
        out = (*out, name)
        name = world.deployments[name].parent if name in world.deployments else ""
    return out
