"""Redfish: the firmware inventory (`SoftwareInventory`), and which part of a machine an entry belongs to.

Traps
* iDRAC lists each firmware up to three times: `Installed-`, `Current-` and `Previous-`. The previous one is not running.
* Names say little: HPE's boot ROM is `System ROM`, and its `Redundant System ROM` is the spare one. NVIDIA names all `Software Inventory`.
* Supermicro writes `BIOS Date: 08/04/2023 Ver 1.4` as a version, and `Not Present` for a spare one that does not exist.
"""

from __future__ import annotations

import re

from ..parts import Firmware, Parts
from .redfish_json import Body, day_of, first, flag, links, name_of, oem, rows, state_of, text
from .report import told

_KINDS: tuple[tuple[str, str], ...] = (
    (r"erot", "erot"),
    (r"inforom", "inforom"),
    (r"retimer", "retimer"),
    (r"nvswitch", "nvswitch"),
    (r"pcieswitch", "pcie switch"),
    (r"fpga", "fpga"),
    (r"cpld|programmable logic", "cpld"),
    (r"energy pack|\bbattery", "battery"),
    (r"power ?supply|\bpsu", "psu"),
    (r"backplane|expander|enclosure|ubm\d|\bbp\b", "enclosure"),
    (r"\btpm", "tpm"),
    (r"power management controller", "power management controller"),
    (r"diagnostic", "diagnostics"),
    (r"service ?module|driver ?pack|provisioning|lifecycle controller|\blxpm|software bundle(?!.*device-)", "software"),
    (r"\bme\b|management engine|innovation engine", "me"),
    (r"\bmcu\b", "mcu"),
    (r"\bbios|system rom|\buefi", "bios"),
    (r"\bilo ?\d|idrac|remote access controller|\bbmc|[ _]bmc|\bxcc\b|\bimm2?\b", "bmc"),
    (r"nvmecontroller|\braid|perc\b|smart ?array|\bhba|megaraid|sas\d|\bboss\b|storage controller|\bahci", "controller"),
    (r"\bssd|nvme|\bhdd|\bdis[ck]|\bdrive\b|\bm\.2", "drive"),
    (r"\bgpu|[ _]gpu|video|graphics|nvidia (a|h|l|v|b)\d", "gpu"),
    (r"\bnic|ethernet|\beth\b|adapter|adptr|connectx|bluefield|mellanox|\blom|\bocp|infiniband|\bnetwork|\bfc\.", "nic"),
)
_SPARE = re.compile(r"(?i)redundant|backup|golden|staging|capsule|recovery|secondary|-pending|alternate")
_NONE = re.compile(r"(?i)not ?present|n/?a|unknown|ff|0x?ff|-\*?|\*|none|null|not available")
_DELL = re.compile(r"(Installed|Current|Previous|Available|Rollback)-\d+-.*?__(.+)")
_DATED = re.compile(r"(?i)BIOS Date: *(\S+) +Ver(?:sion)? *(\S+)")
_DAY_BEHIND = re.compile(r"(\d[\w.]*) ([A-Z][a-z]{2} \d{1,2} \d{4})")
_ON_BOARD = ("system board", "embedded device", "embedded")


def software(body: Body) -> Parts:
    """One entry. Empty: it tells of firmware that is not installed, or has no version."""
    own, name = name_of(body), text(body, "Name")
    dell = _DELL.fullmatch(own)
    version, date = text(body, "Version"), day_of(body.get("ReleaseDate"))
    dated = _DATED.fullmatch(version)
    if dated:
        version, date = dated[2], day_of(dated[1])
    behind = _DAY_BEHIND.fullmatch(version)
    if behind:  # iLO: `2.46 May 11 2021`
        version, date = behind[1], date or day_of(behind[2])
    if not version or _NONE.fullmatch(version) or (dell and dell[1] not in ("Installed", "Current")):
        return Parts()
    place = told(dell[2]).removesuffix(":LC.Embedded.1") if dell else ""
    said = f"{own if not own.isdigit() and not dell else ''} {place.partition(':')[0]} {name} {text(body, 'SoftwareId')}"
    kind = part_of(said)
    if name.startswith("Firmware:DEVICE-") and kind in ("bios", "bmc", "other"):  # Lenovo: the ROM of a card
        kind = "card"
    spare = _SPARE.search(f"{own} {name}")
    if "pending" in own.lower() or state_of(body) == "disabled":
        return Parts()
    if spare or state_of(body) == "standbyspare":
        kind = f"{spare[0].lower() if spare else 'backup'} {kind}"
    context = text(oem(body, "Hpe", "Hp"), "DeviceContext")
    found = Firmware(
        part=kind,
        version=version,
        place=_place(kind, place, context, own, first(links(body, "RelatedItem"))),
        name=name,
        date=date,
        updateable=flag(body, "Updateable", "Updatable"),
    )
    return Parts(firmware=(found,))


def part_of(said: str) -> str:
    """The part that such a name belongs to; `other`: none that is known."""
    return next((part for pattern, part in _KINDS if re.search(rf"(?i){pattern}", said)), "other")


def _place(kind: str, dell: str, context: str, own: str, related: str) -> str:
    if dell:
        return "" if kind in ("bios", "bmc", "tpm", "cpld") else dell
    if context:
        return "" if context.lower() in _ON_BOARD else context
    if kind in ("bios", "bmc") and (
        "/managers/" in f"{related.lower()}/" or "/systems/" in related.lower() or own.upper() in ("BIOS", "BMC")
    ):
        return ""
    return own


def old_inventory(body: Body) -> Parts:
    """iLO 4's `FwSwVersionInventory`: `Current` holds a list of entries for each part."""
    found = []
    current = body.get("Current")
    for key, listed in list(current.items())[:200] if isinstance(current, dict) else []:
        for one in rows({"rows": listed}, "rows"):
            version, name, place = text(one, "VersionString"), text(one, "Name"), text(one, "Location")
            kind = part_of(name or key)
            if not version or _NONE.fullmatch(version):
                continue
            spare = _SPARE.search(f"{key} {name}")
            on_board = place.lower() in _ON_BOARD
            found.append(
                Firmware(part=f"{spare[0].lower()} {kind}" if spare else kind, version=version, name=name, place="" if on_board else place)
            )
    return Parts(firmware=tuple(found))
