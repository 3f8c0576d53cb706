"""storcli, storcli2 and perccli of Broadcom, Dell, HPE, Lenovo and Intel: JSON (`... J`) and text.

Commands: `show`, `/cALL show [all]`, `/cX/eALL/sALL show [all]`, `/cX/dALL show`, `/cX/vALL show [all]`, `/cX/fALL show`. The text
becomes the shape of the JSON first, so that one reader reads both. Source: Broadcom, "12Gb/s MegaRAID SAS Software User Guide", StorCLI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import (
    bounded,
    counted,
    degrees,
    exact_size,
    health_of,
    last_block,
    level_of,
    lines_of,
    link_of,
    medium_of,
    number,
    pci_of,
    protocol_of,
    size_of,
    worst,
    wwn_of,
)
from .report import MOST_ITEMS, Refused, told

_DRIVE_STATES: dict[str, DriveState] = {
    "onln": "online", "ugood": "unused", "ubad": "failed", "ghs": "spare", "dhs": "spare", "jbod": "jbod", "rbld": "rebuilding",
    "failed": "failed", "msng": "missing", "frgn": "foreign", "cpybck": "rebuilding", "uconf": "unused", "conf": "online",
    "online": "online", "ugunsp": "other", "offln": "other",
}  # fmt: skip
_VOLUME_STATES: dict[str, VolumeState] = {
    "optl": "optimal", "dgrd": "degraded", "pdgd": "degraded", "ofln": "failed", "rec": "rebuilding", "optimal": "optimal",
    "degraded": "degraded", "offline": "failed", "reconst": "rebuilding",
}  # fmt: skip
_HEALTH: dict[str, Health] = {
    "optimal": "ok", "ok": "ok", "opt": "ok", "needs attention": "warning", "ndatn": "warning", "degraded": "warning", "dgd": "warning",
    "dgrd": "warning", "failed": "failed", "fld": "failed", "msng": "failed", "learning": "ok", "charging": "ok",
}  # fmt: skip
_MAPS = ("", "basics", "version", "bus", "pci version", "status", "hwcfg")
_DRIVE = re.compile(r"drive /c(\d+)(?:/e(\d+))?/s(\d+)")
_VOLUME = re.compile(r"(?:/c(\d+)/v(\d+)|vd(\d+) properties|pds for vd (\d+))")
_UNIT = re.compile(r"(\d) ([KMGTPE]i?B)\b", re.IGNORECASE)
_RULE = re.compile(r"\s*-{6,}\s*")
_HEADING = re.compile(r"\s*(\S[^=]{0,120}?)\s*:\s*")
_WIDE = ("Model", "Name", "ProdID", "AdapterType", "VendorSpecific")
Row = dict[str, Any]


def looks(text: str) -> bool:
    """True for what storcli or perccli writes: a `Command Status` with a `CLI Version`."""
    head = text[:4000]
    return "CLI Version" in head and ("Command Status" in head or re.search(r"^\s*CLI Version =", head, re.MULTILINE) is not None)


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text, and for the answer to an order."""
    lines = lines_of(text)
    first = text.lstrip("\ufeff \t\r\n")
    answers = _json(first) if first[:1] in "{[" else list(_text(lines))
    controllers: list[Controller] = []
    drives: list[Drive] = []
    volumes: list[RaidVolume] = []
    odd: list[str] = []
    for answer in answers[:256]:
        status, data = _map(answer.get("Command Status")), answer.get("Response Data")
        if not isinstance(data, dict) or not data:
            odd.append(_complaint(status))
            continue
        if "fail" in str(status.get("Status", "")).lower():
            odd.append(_complaint(status))
        if data.get("Number of Controllers") == 0:
            odd.append("storcli found no controller")
        found = _Answer(status, data)
        controllers += found.controllers()
        mine = found.volumes()
        drives += found.drives(mine)
        volumes += mine
        if len(drives) > MOST_ITEMS or len(volumes) > MOST_ITEMS:
            raise Refused(f"the report lists more than {MOST_ITEMS} parts")
    record = Parts(controllers=tuple(controllers), drives=tuple(drives), volumes=tuple(volumes), odd=tuple(filter(None, odd))[:50])
    return bounded(record, "storcli")


class _Answer:
    """What one controller answered: its tables and its maps, by the name of the section in lower case."""

    def __init__(self, status: Row, data: Row) -> None:
        self.tables: dict[str, list[Row]] = {}
        self.maps: dict[str, Row] = {}
        self._collect("", data, 0)
        self.details = self._details()
        place = status.get("Controller", self.of("basics").get("Controller"))
        self.place = str(place) if isinstance(place, int) and not isinstance(place, bool) else told(place, 20)
        # HPE's builds write GiB for binary sizes. Then their GB is decimal.
        self.decimal = any(
            re.search(r"\d [KMGTP]iB\b", str(row.get("Size", ""))) is not None for rows in self.tables.values() for row in rows
        )

    def of(self, name: str) -> Row:
        return self.maps.get(name, {})

    def controllers(self) -> list[Controller]:
        rows = [row for name in ("system overview", "it system overview", "sysoverview") for row in self.tables.get(name, [])]
        if rows:
            return [_overview(row) for row in rows]
        flat: Row = {}
        for name in _MAPS:
            flat = self.of(name) | flat
        model = told(flat.get("Model")) or told(flat.get("Product Name"))
        if not model and not told(flat.get("Serial Number")):
            return []
        battery = next((row for n in ("bbu_info", "cachevault_info", "energy_pack_info") for row in self.tables.get(n, [])), {})
        state = told(flat.get("Controller Status"))
        return [
            Controller(
                place=self.place,
                model=model,
                serial=told(flat.get("Serial Number")),
                health=_HEALTH.get(state.lower(), ""),
                note="" if _HEALTH.get(state.lower()) == "ok" else state,
                pci=pci_of(flat.get("PCI Address")),
                firmware=told(flat.get("Firmware Package Build") or flat.get("FW Package Build") or flat.get("Firmware Version")),
                driver=told(flat.get("Driver Name")),
                mode=_mode(flat),
                cache=size_of(flat.get("On Board Memory Size")),
                battery=_HEALTH.get(told(battery.get("State")).lower(), ""),
                drives=number(flat.get("Physical Drives")),
                volumes=number(flat.get("Virtual Drives")),
            )
        ]

    def drives(self, volumes: list[RaidVolume]) -> list[Drive]:
        """Each drive once: its row, with its details where they are told."""
        of = {place: volume.place for volume in reversed(volumes) for place in (*volume.members, *volume.spares)}
        groups = {volume.place.split("/")[0]: volume.place for volume in reversed(volumes) if "/" in volume.place}
        found: dict[str, Drive] = {}
        for rows in self.tables.values():
            for row in rows:
                place = told(row.get("EID:Slt") or row.get("EID:Slot"), 20).replace(" ", "")
                if not re.fullmatch(r"\d{0,5}:\d{1,4}", place) or "Intf" not in row or "State" not in row:
                    continue
                group = str(row.get("DG", "")).strip()
                details = self.details.get(place, {})
                one = _drive(row, details, place, self.place, self.decimal)
                if one.state in ("online", "rebuilding", "other", "failed", "spare", "missing"):
                    one = msgspec.structs.replace(one, volume=of.get(place, groups.get(group, "")))
                found.setdefault(place, one)
        return list(found.values())

    def volumes(self) -> list[RaidVolume]:
        found: dict[str, RaidVolume] = {}
        for rows in self.tables.values():
            for row in rows:
                place = told(row.get("DG/VD"), 20)
                if place and "TYPE" in row and place not in found:
                    found[place] = self._volume(row, place)
        return list(found.values())

    def _volume(self, row: Row, place: str) -> RaidVolume:
        group, _, disk = place.partition("/")
        details = self.of(f"vd{disk} properties")
        state = _VOLUME_STATES.get(told(row.get("State")).lower(), "other")
        inside = [r for r in self.tables.get(f"pds for vd {disk}", []) if "EID:Slt" in r]
        topology = [r for r in self.tables.get("topology", []) if str(r.get("DG")) == group and str(r.get("Type", "")).upper() == "DRIVE"]
        rows = inside or topology or self._alone(group)
        places = [(told(r.get("EID:Slt") or r.get("EID:Slot"), 20), str(r.get("State", ""))) for r in rows]
        boot = next((m.get("Boot Drive") for m in (details, self.of("")) if "Boot Drive" in m), None)
        return RaidVolume(
            place=place,
            controller=self.place,
            name=told(row.get("Name")),
            wwn=wwn_of(details.get("SCSI NAA Id")),
            device=_device(details.get("OS Drive Name")),
            level=level_of(str(row.get("TYPE", ""))),
            size=_volume_size(details, row, self.decimal),
            stripe=size_of(details.get("Strip Size")),
            state=state,
            health=health_of(state),
            note="" if state == "optimal" else told(row.get("State")),
            members=tuple(p for p, s in places if p and p != "-" and s not in ("GHS", "DHS")),
            spares=tuple(p for p, s in places if p and p != "-" and s == "DHS"),
            boot=None if boot is None else str(boot).lower() == "yes",
        )

    def _alone(self, group: str) -> list[Row]:
        """The drives of a group that holds one volume only."""
        volumes = {str(r["DG/VD"]) for rows in self.tables.values() for r in rows if str(r.get("DG/VD", "")).startswith(f"{group}/")}
        return [r for r in self.tables.get("pd list", []) if str(r.get("DG")) == group] if len(volumes) == 1 else []

    def _details(self) -> dict[str, Row]:
        """Place of a drive -> what `Drive /c0/e252/s0 ... attributes` and the like tell of it."""
        out: dict[str, Row] = {}
        for key, values in self.maps.items():
            if (about := _DRIVE.match(key)) is not None:
                out.setdefault(f"{about[2] or ''}:{about[3]}", {}).update(values)
        return out

    def _collect(self, name: str, value: Row, depth: int) -> None:
        if depth > 6:
            return
        self.maps.setdefault(name, {}).update({k: v for k, v in value.items() if not isinstance(v, dict | list)})
        for key, inner in value.items():
            at = " ".join(str(key).lower().split())
            if isinstance(inner, dict):
                self._collect(at, inner, depth + 1)
            elif isinstance(inner, list):
                self.tables.setdefault(at, []).extend(row for row in inner if isinstance(row, dict))


def _overview(row: Row) -> Controller:
    """A row of `storcli show`. Its model has no spaces in the first kind of table."""
    state = told(row.get("Hlth"))
    return Controller(
        place=str(row.get("Ctl", "")),
        model=told(row.get("Model")),
        health=_HEALTH.get(state.lower(), ""),
        note="" if _HEALTH.get(state.lower()) == "ok" else state,
        pci=pci_of(row.get("PCI Address")),
        mode="hba" if "AdapterType" in row else "",
        battery=_HEALTH.get(told(row.get("BBU")).lower(), ""),
        drives=number(row.get("PDs")),
        volumes=number(row.get("VDs")),
    )


def _drive(row: Row, details: Row, place: str, controller: str, decimal: bool) -> Drive:
    word = told(row.get("State"))
    state = _DRIVE_STATES.get(word.lower(), "other")
    if state == "unused" and str(row.get("DG", "")).strip() == "F":
        state = "foreign"
    size, block = size_of(row.get("Size"), decimal), size_of(row.get("SeSz"))
    raw = str(details.get("Raw size", ""))
    if (sectors := re.search(r"\[0x([0-9a-f]{1,13}) Sectors\]", raw)) is not None:
        size, fits = exact_size(raw, last_block(int(sectors[1], 16)))
        block = fits or block
    alert = str(details.get("S.M.A.R.T alert flagged by drive", "")).lower()
    failing = counted(details.get("Predictive Failure Count"))
    bad = "warning" if alert == "yes" or (failing or 0) > 0 or word.lower() == "offln" else "ok" if alert == "no" else ""
    vendor = told(details.get("Manufacturer Id"))
    return Drive(
        place=place,
        controller=controller,
        model=told(details.get("Model Number")) or told(row.get("Model")),
        vendor="" if vendor == "ATA" else vendor,
        serial=told(details.get("SN")),
        wwn=wwn_of(details.get("WWN")),
        firmware=told(details.get("Firmware Revision")),
        size=size,
        block=block if block in (512, 520, 528, 4096) else 0,
        medium=medium_of(row.get("Med")),  # type: ignore[arg-type]
        protocol=protocol_of(row.get("Intf")),  # type: ignore[arg-type]
        state=state,
        health=worst(health_of(state) if state in ("failed", "missing", "rebuilding") else "", bad),  # type: ignore[arg-type]
        note=word if state in ("failed", "missing", "other", "rebuilding", "foreign") else "SMART alert" if bad == "warning" else "",
        temperature=degrees(details.get("Drive Temperature")),
        media_errors=counted(details.get("Media Error Count")),
        link=link_of(details.get("Link Speed")),
        encrypts=_yes(details.get("SED Capable")),
    )


def _volume_size(details: Row, row: Row, decimal: bool) -> int:
    about = size_of(row.get("Size"), decimal)
    blocks = number(details.get("Number of Blocks"))
    for block in (512, 4096) if blocks else ():
        if about and abs(blocks * block - about) <= about // 100:
            return blocks * block
    return about


def _mode(flat: Row) -> str:
    word = told(flat.get("Current Personality")) or told(flat.get("Personality"))
    if word.lower().startswith("raid"):
        return "raid"
    if word.lower().startswith("hba"):
        return "hba"
    return word or ("hba" if told(flat.get("Driver Name")) in ("mpt3sas", "mpt2sas") else "")


def _device(text: object) -> str:
    name = told(text)
    return name.removeprefix("/dev/") if re.fullmatch(r"/dev/[A-Za-z0-9]{1,30}", name) else ""


def _yes(text: object) -> bool | None:
    return {"yes": True, "no": False}.get(str(text).strip().lower())


def _map(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _complaint(status: Row) -> str:
    """What a controller said instead of an inventory."""
    words = [told(status.get("Description"))]
    detail = status.get("Detailed Status")
    for row in detail[:4] if isinstance(detail, list) else ():
        if isinstance(row, dict):
            words.append(told(row.get("ErrMsg") or row.get("ErrMsg ")))
    said = "; ".join(word for word in words if word) or "nothing"
    return f"storcli says: {said}"[:200]


def _json(text: str) -> list[Row]:
    try:
        got = msgspec.json.decode(text.encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise Refused(f"the report is no valid JSON: {str(wrong)[:80]}") from None
    answers = got.get("Controllers") if isinstance(got, dict) else got
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        raise Refused("the JSON has no list of Controllers, so it is not from storcli")
    return answers


# -- the text, as JSON ---------------------------------------------------------------------------------------------


def _text(lines: list[str]) -> Iterator[Row]:
    """One answer for each block that begins with `CLI Version = `."""
    starts = [at for at, line in enumerate(lines) if re.match(r"\s*CLI Version\s*=", line)]
    if not starts:
        raise Refused("the report has no line `CLI Version =`, so it is not from storcli")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _block(lines[start:end])


def _block(lines: list[str]) -> Row:
    status: Row = {}
    data: Row = {}
    here, top, at = "", True, 0
    while at < len(lines):
        line = lines[at]
        below = lines[at + 1] if at + 1 < len(lines) else ""
        if _RULE.fullmatch(line):
            at, rows = _table(lines, at)
            old = data.get(here or "rows")
            data[here or "rows"] = [*old, *rows] if isinstance(old, list) else rows
            continue
        heading = _HEADING.fullmatch(line)
        if heading is not None and re.fullmatch(r"\s*=+\s*", below):
            here, top, at = heading[1], False, at + 2
            continue
        key, equals, value = line.partition("=")
        if equals and key.strip():
            into = status if top and key.strip() in ("CLI Version", "Operating system", "Controller", "Status", "Description") else None
            if into is None:
                into = data if top or not here else _section(data, here)
            into[key.strip()[:80]] = _value(value.strip())
        at += 1
    return {"Command Status": status, "Response Data": data}


def _section(data: Row, name: str) -> Row:
    """The map of a section. A section that has a table too gets its map beside it."""
    old = data.setdefault(name, {})
    if isinstance(old, dict):
        return old
    other: Row = data.setdefault(name + " ", {})
    return other


def _table(lines: list[str], at: int) -> tuple[int, list[Row]]:
    """The rows of a table that begins with a rule, and where it ends."""
    if at + 2 >= len(lines) or not _RULE.fullmatch(lines[at + 2]):
        return at + 1, []
    columns = lines[at + 1].split()
    at += 3
    rows: list[Row] = []
    while at < len(lines) and not _RULE.fullmatch(lines[at]) and lines[at].strip():
        if (row := _cells(columns, lines[at])) is not None:
            rows.append(row)
        at += 1
    return at + 1, rows


def _cells(columns: list[str], line: str) -> Row | None:
    """One row. Only the columns of names and models may have spaces, or be empty."""
    words = [word.replace("\x01", " ") for word in _UNIT.sub("\\1\x01\\2", line).split()]
    more = len(words) - len(columns)
    wide = next((at for at, name in enumerate(columns) if name in _WIDE), None)
    if more > 0 and wide is not None:
        words[wide : wide + more + 1] = [" ".join(words[wide : wide + more + 1])]
    elif more == -1 and wide is not None:
        words.insert(wide, "")
    if len(words) != len(columns):
        return None
    return {name: _value(word) for name, word in zip(columns, words, strict=True)}


def _value(word: str) -> Any:
    return int(word) if re.fullmatch(r"[0-9]{1,12}", word) and (word == "0" or word[0] != "0") else word
