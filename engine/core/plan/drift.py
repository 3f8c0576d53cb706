"""How the rack stands beside its plan, although there is nothing to commit: settings that the plan does not have, node roles that it no
longer wants, and node roles that only a redeploy brings to their new inputs.

Settings beside the plan are wanted too. They stay through each commit, and `plan save` writes them into a plan. Once that plan is
committed, plan and setting say the same, and the setting is beside the plan no more.
"""

from __future__ import annotations

from msgspec import Struct

from ...definitions import Json
from ...model import Key, Value
from ..roles.attributes import drift
from ..world.view import View
from ..world.world import World
from .differences import told
from .unbind import WHY

PLANNED = {"setting": "deployment", "operator": "rule", "role": "rule", "hint": "rule"}
"""Layer of operators' values -> layer of the plan's value in the same scope."""
SEALED = "a secret"
"""In place of the value of an attribute that is declared secret."""


class Setting(Struct, frozen=True, kw_only=True):
    """A value that an operator set, and that the plan does not have."""

    layer: str
    scope: str
    """Deployment, node, or `NODE/ROLE`."""
    name: str
    value: Json
    planned: Json
    """The plan's value in that scope. None: it has none."""
    who: str

    @property
    def words(self) -> str:
        """`cloud ntp-servers: op set [10.0.0.9]; the plan has none`."""
        plan = "; the plan has none" if self.planned is None else f", which stays above the plan's {told(self.planned)}"
        return f"{self.scope} {self.name}: {self.who or 'an operator'} set {told(self.value)}{plan}"


class Standing(Struct, frozen=True, kw_only=True):
    """A node role that stands beside the plan."""

    node: str
    role: str
    why: str


class Drift(Struct, frozen=True, kw_only=True):
    settings: tuple[Setting, ...] = ()
    left: tuple[Standing, ...] = ()
    """Node roles that the plan does not want, and that stay bound."""
    redeploy: tuple[Standing, ...] = ()
    """Node roles that wrote disks, are done, and would write otherwise now. Only a redeploy runs them again."""

    @property
    def words(self) -> str:
        """`3 settings beside the plan, 2 roles left, 1 role needs a redeploy`. Empty: rack and plan agree."""
        return ", ".join(
            f"{len(found)} {one if len(found) == 1 else many}"
            for found, one, many in (
                (self.settings, "setting beside the plan", "settings beside the plan"),
                (self.left, "role left", "roles left"),
                (self.redeploy, "role needs a redeploy", "roles need a redeploy"),
            )
            if found
        )


def drift_of(world: World) -> Drift:
    """The drift from the current plan, sorted by scope and by node."""
    settings = [found for value in world.attributes.values() if (found := _setting(world, value)) is not None]
    destructive = [name for name, role in world.catalog.roles.items() if role.destructive]
    written = [role for name in destructive for key in world.bound.get(name) or () if not (role := world.node_roles[key]).kept]
    return Drift(
        settings=tuple(sorted(settings, key=lambda one: (one.scope, one.name))),
        left=_standing(world, {key: WHY[world.node_roles[key].kept] for keys in world.kept.values() for key in keys}),
        redeploy=_standing(world, {role.key: REDEPLOY for role in written if drift(world, role)}),
    )


REDEPLOY = "its inputs changed since it wrote; only a redeploy takes them"


def _standing(view: View, found: dict[Key, str]) -> tuple[Standing, ...]:
    return tuple(sorted((Standing(node=_named(view, key[0]), role=key[1], why=why) for key, why in found.items()), key=_order))


def _order(one: Standing) -> tuple[str, str]:
    return one.node, one.role


def _setting(view: View, value: Value) -> Setting | None:
    """None: no operator set it, or the plan says the same."""
    layer, attribute = PLANNED.get(value.layer), view.catalog.attributes.get(value.name)
    if layer is None or attribute is None:  # a hint for an address counts only at the allocation
        return None
    planned = view.attributes.get((layer, value.scope, value.name))
    if planned is not None and planned.value == value.value:
        return None
    node, slash, role = value.scope.partition("/")
    return Setting(
        layer=value.layer,
        scope=value.scope if value.layer == "setting" else f"{_named(view, node)}{slash}{role}",
        name=value.name,
        value=SEALED if attribute.secret else value.value,
        planned=None if planned is None else SEALED if attribute.secret else planned.value,
        who=value.who,
    )


def _named(view: View, node: str) -> str:
    found = view.nodes.get(node)
    return found.name.split(".")[0] if found is not None else node
