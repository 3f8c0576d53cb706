"""Redfish: the settings of a BIOS, those that wait for a reboot, and the registry of what each may be (DSP2046 Bios, AttributeRegistry).

Rules
* A value is kept exactly as it was said: `None` is a value of a setting, not a placeholder. Only control characters refuse it.
* No password is kept, whatever a service says: settings that are named like one have the type `password` and no value.
* A setting whose value is longer than MOST_VALUE is left out with a note, because half a value is a wrong one.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from ..parts import BiosCondition, BiosDependency, BiosSetting, Parts, Product
from .redfish_json import Body, Json, flag, inner, kind_of, path_of, rows, text
from .report import MOST_ITEMS, Refused, told

MOST_VALUE = 1000
_MOST_ODD = 50
_MOST_CHOICES = 1024
SettingType = Literal["", "text", "number", "choice", "flag", "password"]
Value = str | int | bool | None
_TYPES: dict[str, SettingType] = {
    "enumeration": "choice",
    "string": "text",
    "integer": "number",
    "boolean": "flag",
    "password": "password",
}
_SECRET = re.compile(r"(?i)pass ?(word|wd|phrase|code)|secret|pwd|credential|(^|_)hash")
_MODES: dict[str, Literal["bios", "efi"]] = {
    "uefi": "efi",
    "uefimode": "efi",
    "uefioptimized": "efi",
    "bios": "bios",
    "legacy": "bios",
    "legacybios": "bios",
    "legacymode": "bios",
}
_MODE_NAMES = re.compile(
    r"(?i)(bootmodes_systembootmode|bootmode|bootmodeselect(_[0-9a-f]{4})?|system boot mode|boot mode select|boot_mode)"
)
_OF_ILO4 = frozenset({"Type", "Modified", "Name", "Description", "Id", "AttributeRegistry", "ETag"})
_SIGNS = ("EQU", "NEQ", "GTR", "GEQ", "LSS", "LEQ")
_PENDING = re.compile(r"(?i)/(settings|sd|pending)$")


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a password or the like."""
    return _SECRET.search(name) is not None


def name_in(said: Json) -> str:
    """The name of a setting as it is; empty: none, or one that cannot be shown."""
    return said if isinstance(said, str) and 0 < len(said) <= 200 and said.isprintable() else ""


def value_in(said: Json) -> tuple[Value, bool]:
    """The value, and whether it could be kept."""
    if isinstance(said, float) and said.is_integer() and abs(said) < 1 << 53:
        return int(said), True
    if said is None or isinstance(said, bool | int):
        return said, True
    return (said, True) if isinstance(said, str) and len(said) <= MOST_VALUE and (not said or said.isprintable()) else (None, False)


def settings_in(found: Json, pending: bool = False) -> tuple[tuple[BiosSetting, ...], tuple[str, ...]]:
    """The settings in a map of names and values, and what was left out."""
    made: list[BiosSetting] = []
    odd: list[str] = []
    for key, said in list(found.items())[:MOST_ITEMS] if isinstance(found, dict) else []:
        name = name_in(key)
        value, good = value_in(said)
        if not name or not good:
            odd.append(f"the setting {told(key, 60) or '?'} has a value that cannot be kept")
        elif is_secret(name):
            made.append(BiosSetting(name=name, type="password"))
        else:
            made.append(BiosSetting(name=name, pending=value) if pending else BiosSetting(name=name, value=value))
    return tuple(made), tuple(odd[:_MOST_ODD])


def bios(body: Body) -> Parts:
    """A Bios, or its settings resource: there the values wait for a reboot."""
    pending = _PENDING.search(path_of(body)) is not None
    made, odd = settings_in(attributes_of(body), pending)
    return Parts(settings=made, odd=odd, boot_mode="" if pending else mode_of(made))


def attributes_of(body: Body) -> Body:
    """Name and value of each setting. iLO 4 has them beside the members of the resource itself."""
    found = body.get("Attributes")
    if isinstance(found, dict):
        return found
    if kind_of(body) != "HpBios":
        return {}
    return {name: value for name, value in body.items() if name not in _OF_ILO4 and "@" not in name and not isinstance(value, dict | list)}


def mode_of(settings: tuple[BiosSetting, ...]) -> Literal["", "bios", "efi"]:
    """How the machine boots, by the settings that makers have for it. `Dual` says neither."""
    for one in settings:
        if _MODE_NAMES.fullmatch(one.name) and isinstance(one.value, str):
            return _MODES.get(one.value.lower().replace(" ", "").replace("_", ""), "")
    return ""


# -- the registry --


def registry(body: Body) -> Parts:
    """An AttributeRegistry: for each setting its type, its values, and what other settings make of it."""
    entries = inner(body, "RegistryEntries")
    made = [setting for one in rows(entries, "Attributes") if (setting := _entry(one)) is not None]
    needs = [one for row in rows(entries, "Dependencies") if (one := _dependency(row)) is not None]
    return Parts(settings=tuple(made), dependencies=tuple(needs))


def _entry(body: Body) -> BiosSetting | None:
    name = name_in(body.get("AttributeName"))
    if not name:
        return None
    kind = _TYPES.get(text(body, "Type").lower(), "")
    secret = kind == "password" or is_secret(name)
    choices = [
        value for one in rows(body, "Value")[:_MOST_CHOICES] if isinstance(value := one.get("ValueName"), str) and value_in(value)[1]
    ]
    pattern = body.get("ValueExpression")
    low, high = ("MinLength", "MaxLength") if kind in ("text", "password") else ("LowerBound", "UpperBound")
    return BiosSetting(
        name=name,
        type="password" if secret else kind,
        value=None if secret else value_in(body.get("CurrentValue"))[0],
        default=None if secret else value_in(body.get("DefaultValue"))[0],
        allowed=tuple(choices),
        least=_whole(body, low),
        most=_whole(body, high),
        step=max(0, _whole(body, "ScalarIncrement") or 0),
        pattern=pattern if isinstance(pattern, str) and len(pattern) <= 500 and pattern.isprintable() else "",
        readonly=flag(body, "ReadOnly") is True or flag(body, "Immutable") is True or flag(body, "GrayOut") is True,
        reset=flag(body, "ResetRequired"),
        label=text(body, "DisplayName"),
        group=text(body, "MenuPath"),
    )


def _whole(body: Body, name: str) -> int | None:
    found = body.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _dependency(body: Body) -> BiosDependency | None:
    """None: it maps nothing that is understood, so nothing may be concluded from it."""
    said = inner(body, "Dependency")
    target, what = name_in(said.get("MapToAttribute")), text(said, "MapToProperty")
    value, good = value_in(said.get("MapToValue"))
    if text(body, "Type") not in ("Map", "") or not target or not what or not good:
        return None
    terms: list[BiosCondition] = []
    for one in rows(said, "MapFrom"):
        name, sign = name_in(one.get("MapFromAttribute")), text(one, "MapFromCondition")
        operand, known = value_in(one.get("MapFromValue"))
        if not name or sign not in _SIGNS or not known:
            return None
        terms.append(
            BiosCondition(
                setting=name,
                property=text(one, "MapFromProperty") or "CurrentValue",
                sign=next(each for each in get_args(Literal["EQU", "NEQ", "GTR", "GEQ", "LSS", "LEQ"]) if each == sign),
                value=operand,
                either=text(one, "MapTerms").upper() == "OR",
            )
        )
    flags = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in flags and what in ("ReadOnly", "GrayOut", "Hidden", "Immutable"):
        value = flags[value.lower()]  # AMI writes booleans as texts
    return BiosDependency(setting=target, property=what, value=value, when=tuple(terms)) if terms else None


# -- what Dell exports --


def dell_profile(body: Body) -> Parts:
    """A Server Configuration Profile of iDRAC in JSON: the component `BIOS.Setup.1-1`, and whose it is."""
    profile = inner(body, "SystemConfiguration")
    found: dict[str, Json] = {}
    for component in _components(profile):
        if text(component, "FQDD").startswith("BIOS.Setup"):
            for one in rows(component, "Attributes"):
                if (name := name_in(one.get("Name"))) and name not in found:
                    found[name] = one.get("Value")
    made, odd = settings_in(found)
    model, tag = text(profile, "Model"), text(profile, "ServiceTag")
    if not profile or not (model or tag or made):
        raise Refused("it looks like a profile of iDRAC and names no machine")
    return Parts(system=Product(vendor="Dell", model=model, serial=tag), settings=made, odd=odd, boot_mode=mode_of(made))


def _components(profile: Body) -> list[Body]:
    """Flat: components hold components."""
    out: list[Body] = []
    waiting = rows(profile, "Components")
    while waiting and len(out) < MOST_ITEMS:
        one = waiting.pop(0)
        out.append(one)
        waiting += rows(one, "Components")
    return out


def is_settings(body: Body) -> bool:
    """An object without a type that is a Bios by its members."""
    return (
        not kind_of(body) and isinstance(body.get("Attributes"), dict) and ("AttributeRegistry" in body or "/bios" in path_of(body).lower())
    )
