"""The plan's own attribute values: one for each that a deployment of the plan sets, in the layer `deployment`.

They follow from the current plan, so only a commit changes them. An operator's value for a deployment is a separate value in the layer
`setting`, above the plan's. Clearing it uncovers the plan's value again.

Old stores kept both in the layer `deployment`, where an operator's value replaced the plan's. Each start and commit moves an operator's
value to its own layer, and restores the plan's value from the plan.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...definitions import Json
from ...model import Value
from ...plan import Plan
from ..world.work import Work

SYSTEM = "system"
PLAN = "plan"
"""Author of the plan's values. An operator's name counts only in a value that an old store put into the plan's layer."""


def plan_values(plan: Plan) -> dict[tuple[str, str], Json]:
    """(Deployment, attribute) -> the plan's value."""
    out: dict[tuple[str, str], Json] = {(SYSTEM, name): value for name, value in plan.attributes.items()}
    for deployment in plan.deployments.values():
        out.update({(deployment.name, name): value for name, value in deployment.attributes.items()})
    return out


def put_plan_values(w: Work, plan: Plan) -> None:
    """Makes the layer `deployment` equal to this plan, for the deployments that it has. The same plan again changes nothing."""
    wanted = plan_values(plan)
    for value in w.all(Value):
        if value.layer != "deployment":
            continue
        if value.who != PLAN:
            w.put_value(replace(value, layer="setting"))
        left = value.scope != SYSTEM and value.scope not in plan.deployments and value.scope in w.deployments  # see `dropped`
        if value.who != PLAN or ((value.scope, value.name) not in wanted and not left):
            w.drop("attributes", value.key)
    for (scope, name), wish in wanted.items():
        w.put_value(Value(layer="deployment", scope=scope, name=name, value=wish, who=PLAN))
