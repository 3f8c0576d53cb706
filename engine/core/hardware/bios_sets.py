"""Wanted settings of a BIOS: sets with inheritance, the choice for a machine, and the difference to what it has. Pure.

Terms
    family   machines whose BIOS has the same names of settings, by patterns of their product (`Dell* PowerEdge *`)
    set      named settings of a family: `default`, `Virtualization`, `Storage`. One may inherit from another
    offered  settings of a set that a machine without them does not need; the others are required

Rules
* A setting is named exactly, or by a pattern with `*` that means exactly one setting of the machine: Supermicro's names end in a number
  that differs between boards. A path of menus may be left out where the last part is unique.
* Nothing is changed where anything is refused.
* A setting that has its value and waits for another one is a change: after the next start it would be wrong.
* What a registry says of dependencies is tested with the values as they will be.
* A reboot is needed where a changed setting needs one, or does not say that it needs none.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ... import reasons
from ...parts import BiosCondition, BiosDependency, BiosSetting
from ...reasons import Reason

Value = str | int | bool
_MOST_INHERITED = 16
_NEAR = 3
_LOCKS = ("ReadOnly", "GrayOut", "Immutable", "WriteOnly")


class BiosSet(Struct, frozen=True, kw_only=True):
    name: str
    inherits: str = ""
    settings: Mapping[str, Value] = {}
    offered: Mapping[str, Value] = {}


class BiosFamily(Struct, frozen=True, kw_only=True):
    name: str
    products: tuple[str, ...]
    """Patterns of maker and model with a space between them; upper and lower case are the same."""
    sets: Mapping[str, BiosSet]


class WantedBios(Struct, frozen=True, kw_only=True):
    settings: Mapping[str, Value] = {}
    offered: Mapping[str, Value] = {}
    family: str = ""
    sets: tuple[str, ...] = ()
    """The names of the sets, those that were inherited from first."""


class BiosChange(Struct, frozen=True, kw_only=True):
    name: str
    have: Value | None
    want: Value
    waits: bool = False
    """It is written already, and waits for a reboot."""
    reset: bool = True


class BiosComparison(Struct, frozen=True, kw_only=True):
    changes: tuple[BiosChange, ...] = ()
    refused: tuple[Reason, ...] = ()
    same: int = 0
    skipped: tuple[str, ...] = ()
    """Offered settings that this machine does not have, or cannot set so."""

    @property
    def to_write(self) -> dict[str, Value]:
        """Empty where something is refused."""
        return {} if self.refused else {one.name: one.want for one in self.changes if not one.waits}

    @property
    def reboot(self) -> bool:
        """Nothing to change: no reboot."""
        return not self.refused and any(one.reset for one in self.changes)


# -- which set --


def family_of(families: Iterable[BiosFamily], vendor: str, model: str) -> BiosFamily | None:
    """The family with the longest matching pattern, which is the most exact one. None: none matches."""
    product = f"{vendor} {model}".strip().lower()
    found = [(len(pattern), one) for one in families for pattern in one.products if fnmatch.fnmatchcase(product, pattern.lower())]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def inherited(family: BiosFamily, name: str) -> list[BiosSet]:
    """The set and what it inherits from, the farthest first. A circle ends where it begins again."""
    out: list[BiosSet] = []
    while name in family.sets and len(out) < _MOST_INHERITED and all(one.name != name for one in out):
        out.append(family.sets[name])
        name = out[-1].inherits
    return out[::-1]


def wanted_bios(
    families: Sequence[BiosFamily], vendor: str, model: str, asked: Mapping[str, str], own: Mapping[str, Value] | None = None
) -> WantedBios | Reason:
    """What a machine's BIOS shall be. `asked`: role -> the set that it asks for. `own`: settings of this node, which win over all sets.

    Two roles may ask for different sets, as long as no setting is wanted differently.
    """
    own = own or {}
    if not asked:
        return WantedBios(settings=own)
    family = family_of(families, vendor, model)
    if family is None:
        return reasons.bios_no_family(product=f"{vendor} {model}".strip() or "unknown", wanted=", ".join(sorted(set(asked.values()))))
    settings: dict[str, tuple[Value, str, bool]] = {}
    names: list[str] = []
    for role, wanted in sorted(asked.items()):
        chain = inherited(family, wanted)
        if not chain:
            known = ", ".join(sorted(family.sets)) or "none"
            return reasons.bios_no_set(family=family.name, wanted=wanted, known=known)
        names += [one.name for one in chain if one.name not in names]
        for name, (value, needed) in _together(chain).items():
            have = settings.get(name)
            if have is not None and have[0] != value and name not in own:
                return reasons.bios_sets_conflict(setting=name, value=str(value), role=role, instead=str(have[0]), other=have[1])
            settings[name] = (value, role, needed or (have is not None and have[2]))
    needed_ones = {name: value for name, (value, _, needed) in settings.items() if needed and name not in own}
    offered = {name: value for name, (value, _, needed) in settings.items() if not needed and name not in own}
    return WantedBios(settings={**needed_ones, **own}, offered=offered, family=family.name, sets=tuple(names))


def _together(chain: Iterable[BiosSet]) -> dict[str, tuple[Value, bool]]:
    """Setting -> its value and whether it is required; a later set wins."""
    out: dict[str, tuple[Value, bool]] = {}
    for one in chain:
        out |= {name: (value, False) for name, value in one.offered.items()}
        out |= {name: (value, True) for name, value in one.settings.items()}
    return out


# -- have and want --


def compare(wanted: WantedBios, settings: Sequence[BiosSetting], dependencies: Sequence[BiosDependency] = ()) -> BiosComparison:
    """The difference between a machine's settings and the wanted ones. The settings may come with their registry, or without it."""
    index = _Index(settings)
    changes: dict[str, BiosChange] = {}
    refused: list[Reason] = []
    skipped: list[str] = []
    asked: dict[str, Value] = {}
    same = 0
    pairs = [(name, value, True) for name, value in wanted.settings.items()] + [
        (name, value, False) for name, value in wanted.offered.items()
    ]
    for name, value, needed in pairs:
        found = index.find(name)
        want = found if isinstance(found, Reason) else _as_registered(found, value)
        if isinstance(want, Reason) or isinstance(found, Reason):
            if needed:
                refused.append(want if isinstance(want, Reason) else found)  # type: ignore[arg-type]  # one of both is a reason
            else:
                skipped.append(name)
            continue
        before = asked.setdefault(found.name, want)
        if before != want:
            refused.append(reasons.bios_wrong_value(setting=found.name, value=str(want), why=f"it is wanted as {before} too"))
            continue
        change = _change(found, want)
        if change is None:
            same += 1
        elif found.readonly:
            why = "its registry says that it is read-only"
            refused.append(reasons.bios_read_only(setting=found.name, value=str(found.value), why=why))
        else:
            changes[found.name] = change
    refused += _dependent(wanted, index, changes, dependencies)
    return BiosComparison(changes=tuple(changes.values()), refused=tuple(refused), same=same, skipped=tuple(skipped))


class _Index:
    """The settings of a machine by their names."""

    def __init__(self, settings: Sequence[BiosSetting]) -> None:
        self.settings = {one.name: one for one in settings}
        self._last: dict[str, list[str]] = {}
        for one in settings:
            self._last.setdefault(one.name.rpartition("|")[2], []).append(one.name)

    def find(self, name: str) -> BiosSetting | Reason:
        """The setting that a wanted name means."""
        if name in self.settings:
            return self.settings[name]
        names = self._last.get(name, [])
        if "*" in name:
            names = [one for one in self.settings if fnmatch.fnmatchcase(one, name)]
        if len(names) == 1:
            return self.settings[names[0]]
        if names:
            return reasons.bios_ambiguous_setting(setting=name, found=", ".join(sorted(names)[:5]))
        return reasons.bios_unknown_setting(setting=name, near=", ".join(_near(name, self.settings)) or "none")


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The names with the most pairs of letters in common."""
    pairs = _pairs(name)
    ranked = sorted(((len(pairs & _pairs(one)) / max(1, len(pairs | _pairs(one))), one) for one in known), reverse=True)
    return [one for rank, one in ranked[:_NEAR] if rank > 0.3]


def _pairs(name: str) -> set[str]:
    lower = name.lower()
    return {lower[at : at + 2] for at in range(len(lower) - 1)}


def _change(found: BiosSetting, want: Value) -> BiosChange | None:
    reset = found.reset is not False
    if found.pending is not None and found.pending != found.value:
        if found.pending == want:
            return BiosChange(name=found.name, have=found.value, want=want, waits=True, reset=reset)
        return BiosChange(name=found.name, have=found.value, want=want, reset=reset)
    return (
        None
        if found.value == want and isinstance(found.value, bool) == isinstance(want, bool)
        else BiosChange(name=found.name, have=found.value, want=want, reset=reset)
    )


def _as_registered(found: BiosSetting, value: Value) -> Value | Reason:
    """The value in the type and the spelling of the setting, or why it cannot be that."""
    kind = found.type or (
        "flag" if isinstance(found.value, bool) else "number" if isinstance(found.value, int) else "text" if found.value is not None else ""
    )
    if kind == "password":
        return reasons.bios_wrong_value(setting=found.name, value="***", why="passwords are not set by a set")
    if kind == "flag":
        flags = {"true": True, "false": False}
        made = value if isinstance(value, bool) else flags.get(str(value).lower())
        return made if made is not None else reasons.bios_wrong_value(setting=found.name, value=str(value), why="it is true or false")
    if kind == "number":
        return _number(found, value)
    said = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    if found.allowed:
        near = [one for one in found.allowed if one == said] or [one for one in found.allowed if one.lower() == said.lower()]
        if len(near) == 1:
            return near[0]
        return reasons.bios_wrong_value(setting=found.name, value=said, why=f"it can be {', '.join(found.allowed[:12])}")
    return _text(found, said) if kind == "text" else said


def _number(found: BiosSetting, value: Value) -> Value | Reason:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,18}", str(value)):
        return reasons.bios_wrong_value(setting=found.name, value=str(value), why="it is a whole number")
    number = int(value)
    least, most = found.least, found.most
    if (least is not None and number < least) or (most is not None and number > most):
        return reasons.bios_wrong_value(setting=found.name, value=str(number), why=f"it can be from {least} to {most}")
    if found.step > 1 and (number - (least or 0)) % found.step:
        return reasons.bios_wrong_value(setting=found.name, value=str(number), why=f"it goes in steps of {found.step} from {least or 0}")
    return number


def _text(found: BiosSetting, said: str) -> Value | Reason:
    if (found.least is not None and len(said) < found.least) or (found.most is not None and len(said) > found.most):
        return reasons.bios_wrong_value(
            setting=found.name, value=said[:40], why=f"it has from {found.least or 0} to {found.most} characters"
        )
    if _is_harmless(found.pattern) and not re.fullmatch(found.pattern, said):
        return reasons.bios_wrong_value(setting=found.name, value=said[:40], why=f"it must match {found.pattern}")
    return said


def _is_harmless(pattern: str) -> bool:
    """Whether a BMC's expression ends soon on any text: no groups, and few repetitions. Others are left to the BMC."""
    if not pattern or len(pattern) > 100 or re.search(r"[()|\\]", pattern) or len(re.findall("[*+{]", pattern)) > 2:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


# -- dependencies --


def _dependent(
    wanted: WantedBios, index: _Index, changes: Mapping[str, BiosChange], dependencies: Sequence[BiosDependency]
) -> list[Reason]:
    """What the registry forbids once all changes are made."""
    after = {name: one.pending if one.pending is not None else one.value for name, one in index.settings.items()}
    after |= {name: one.want for name, one in changes.items()}
    asked = {found.name for name in wanted.settings if isinstance(found := index.find(name), BiosSetting)}
    out: list[Reason] = []
    for one in dependencies:
        if one.setting not in asked and one.setting not in changes:
            continue
        if not _holds(one.when, after, index.settings):
            continue
        cause = ", ".join(f"{term.setting} {term.sign} {term.value}" for term in one.when[:4])
        value = after.get(one.setting)
        if one.property in _LOCKS and one.value is True and one.setting in changes and not changes[one.setting].waits:
            out.append(reasons.bios_read_only(setting=one.setting, value=str(changes[one.setting].have), why=f"{cause} makes it read-only"))
        elif one.property == "CurrentValue" and one.value != value:
            out.append(reasons.bios_follows(setting=one.setting, value=str(value), cause=cause, instead=str(one.value)))
        elif one.property in ("LowerBound", "UpperBound") and _outside(one, value):
            why = f"{cause} makes its {'least' if one.property == 'LowerBound' else 'greatest'} value {one.value}"
            out.append(reasons.bios_wrong_value(setting=one.setting, value=str(value), why=why))
    return out


def _outside(one: BiosDependency, value: object) -> bool:
    if not isinstance(one.value, int) or not isinstance(value, int):
        return False
    return value < one.value if one.property == "LowerBound" else value > one.value


def _holds(terms: Sequence[BiosCondition], after: Mapping[str, object], settings: Mapping[str, BiosSetting]) -> bool:
    """From left to right. What cannot be compared does not hold, so that nothing is forbidden without a reason."""
    holds = False
    for at, term in enumerate(terms):
        now = _compares(term, after, settings)
        holds = now if at == 0 else (holds or now) if term.either else (holds and now)
    return holds


def _compares(term: BiosCondition, after: Mapping[str, object], settings: Mapping[str, BiosSetting]) -> bool:
    known = settings.get(term.setting)
    if known is None:
        return False
    left: object = {"CurrentValue": after.get(term.setting), "DefaultValue": known.default, "ReadOnly": known.readonly}.get(term.property)
    if left is None or term.value is None:
        return False
    if term.sign in ("EQU", "NEQ"):
        return (left == term.value and isinstance(left, bool) == isinstance(term.value, bool)) == (term.sign == "EQU")
    if isinstance(left, bool) or not isinstance(left, int) or not isinstance(term.value, int):
        return False
    return {"GTR": left > term.value, "GEQ": left >= term.value, "LSS": left < term.value, "LEQ": left <= term.value}[term.sign]
