"""Plans that people commit on the way: other names and groups, roles in another deployment or in none, another tree."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from engine.plan import DeploymentDef, Plan, Rule

RULES = (
    (Rule(name="node-{number}"),),
    (Rule(match={"serial": {"like": "*[02468]"}}, group="even", name="even-{number}"), Rule(group="odd", name="odd-{number}")),
    (Rule(group="odd", name="one"),),
    (Rule(match={"cpus": {"max": 0}}, group="even"),),
)
SELECTORS = ("all", "all", "group:even", "group:odd", "node:even-1", "node:one")


def other(plan: Plan, random: Random) -> Plan:
    """The plan with other rules, and with some of its roles moved into a deployment beside or below `cloud`."""
    if random.random() < 0.6:
        plan = replace(plan, rules=random.choice(RULES))
    if random.random() < 0.6:
        cloud = plan.deployments["cloud"]
        moved = {role: (random.choice(SELECTORS),) for role in sorted(cloud.roles) if random.random() < 0.4}
        kept = {role: on for role, on in cloud.roles.items() if role not in moved}
        more = DeploymentDef(name="more", parent=random.choice(["system", "cloud"]), roles=moved)
        above = {"cloud": replace(cloud, roles=kept)} if more.parent == "cloud" or random.random() < 0.7 else {}
        plan = replace(plan, deployments={**above, "more": more})
    return plan
