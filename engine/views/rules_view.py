"""Why a node gets its group, name, owner and attributes from the plan's rules, and why not others. Pure: the rules of `core.plan.rules`.

A rule's number counts from 1, as the rules stand in the plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ..core.hardware.inventory import ROLES
from ..core.plan.owned import SYSTEM
from ..core.plan.rules import Condition, choose, conditions, facts, failed, word
from ..core.world.view import View
from ..definitions import Json
from ..model import Node
from ..plan import Plan, Rule

LIMIT = 100
"""Most rules without a match that are listed, the closest first."""
_TEXT = 200
"""Most characters of a machine's own text."""
_NEVER_ZERO = ("memory", "cpus")
_OWN = frozenset(("serial", "uuid", "mac", "place", "rack"))
"""Facts that name one machine. A rule of these alone pins a machine, so other machines miss it all the time."""


class FailedCondition(Struct, frozen=True, kw_only=True):
    """A condition that does not hold, and what was seen."""

    fact: str
    test: str
    """`is`, `min`, `max` or `like`."""
    wanted: Json
    seen: Json
    """None: the engine does not know it."""

    @property
    def words(self) -> str:
        """`memory is 32768, wants at least 65536`."""
        seen = "not known" if self.seen is None else word(self.seen)
        return f"{self.fact} is {seen}, wants {Condition(fact=self.fact, test=self.test, wanted=self.wanted).words}"


class MissedRule(Struct, frozen=True, kw_only=True):
    """A rule that does not match."""

    rule: int
    failed: tuple[FailedCondition, ...]
    held: int
    """How many of its conditions hold."""
    would: tuple[str, ...]
    """What it would decide if it matched: `group`, `name`, `deployment`, attributes. Empty: earlier rules decide all that it sets."""

    @property
    def near(self) -> bool:
        """True if all conditions but one hold."""
        return len(self.failed) == 1


class ChosenThing(Struct, frozen=True, kw_only=True):
    """One thing that rules set."""

    what: str
    """`group`, `name`, `deployment` (the owner), or the name of an attribute."""
    value: Json
    rule: int
    """The rule that decides it. 0: no rule that matches sets it."""
    also: tuple[int, ...] = ()
    """Later rules that match and set it too, in vain."""
    now: Json = None
    """What the node has now, for `group`, `name` and `deployment`. None for attributes."""


class RulesTried(Struct, frozen=True, kw_only=True):
    """The rules of a plan for one node."""

    node: str
    discovered: bool
    """False: the node has not reported its inventory, so most facts are not known."""
    pinned: bool
    """True if an operator chose its name, group and owner (`replace`), so that no rule does."""
    matched: tuple[int, ...]
    chosen: tuple[ChosenThing, ...]
    missed: tuple[MissedRule, ...]
    """Closest first, at most `LIMIT`."""
    left_out: int
    """How many more there are."""
    facts: dict[str, Json]


def try_rules(view: View, plan: Plan, node: Node) -> RulesTried:
    """What `bind` would choose for the node, with the rule for each thing."""
    known = facts(view, node)
    missing = {number: found for number, rule in enumerate(plan.rules, 1) if (found := failed(rule, known))}
    matched = tuple(number for number in range(1, len(plan.rules) + 1) if number not in missing)
    chosen = tuple(_chosen(view, plan, node, matched))
    decides = {one.what: one.rule for one in chosen}
    told = {name: _told(name, value) for name, value in known.items()}
    missed = [_missed(number, plan.rules[number - 1], found, told, decides) for number, found in missing.items()]
    missed.sort(key=lambda one: (len(one.failed), _pins(plan.rules[one.rule - 1]), -one.held, one.rule))
    return RulesTried(
        node=node.name,
        discovered=any((node.id, role) in view.node_roles and view.node_roles[(node.id, role)].gave for role in ROLES),
        pinned=node.pinned,
        matched=matched,
        chosen=chosen,
        missed=tuple(missed[:LIMIT]),
        left_out=max(len(missed) - LIMIT, 0),
        facts=told,
    )


def _chosen(view: View, plan: Plan, node: Node, matched: tuple[int, ...]) -> Iterator[ChosenThing]:
    choice = choose(view, plan, node)
    by: dict[str, list[int]] = {"group": [], "name": []}
    for number in matched:
        for what in _sets(plan.rules[number - 1]):
            by.setdefault(what, []).append(number)
    if node.deployment != SYSTEM:
        by.setdefault("deployment", [])
    own: dict[str, Json] = {"group": node.group, "name": node.name.split(".")[0], "deployment": node.deployment}
    values: dict[str, Json] = {"group": choice.group, "name": choice.name, "deployment": choice.deployment or SYSTEM}
    values |= {f"{role}/{name}": value for role, settings in choice.roles.items() for name, value in settings.items()}
    for what, numbers in by.items():
        value = values[what] if what in values else choice.attributes[what]
        yield ChosenThing(what=what, value=value, rule=numbers[0] if numbers else 0, also=tuple(numbers[1:]), now=own.get(what))


def _sets(rule: Rule) -> list[str]:
    of_roles = [f"{role}/{name}" for role, settings in rule.roles.items() for name in settings.attributes]
    own = [what for what, value in (("group", rule.group), ("name", rule.name), ("deployment", rule.deployment)) if value]
    return [*own, *rule.attributes, *of_roles]


def _missed(number: int, rule: Rule, found: tuple[Condition, ...], told: dict[str, Json], decides: dict[str, int]) -> MissedRule:
    return MissedRule(
        rule=number,
        failed=tuple(FailedCondition(fact=one.fact, test=one.test, wanted=one.wanted, seen=told.get(one.fact)) for one in found),
        held=sum(1 for _ in conditions(rule)) - len(found),
        would=tuple(what for what in _sets(rule) if not 0 < decides.get(what, 0) < number),
    )


def _pins(rule: Rule) -> bool:
    return bool(rule.match) and rule.match.keys() <= _OWN


def _told(fact: str, value: Json) -> Json:
    """A fact as people see it: None if it is not known, and text of bounded length."""
    if isinstance(value, str):
        return value[:_TEXT] or None
    return None if fact in _NEVER_ZERO and value == 0 else value
