"""A list of known machines, as YAML or CSV: reads it, and checks it against itself and against a plan.

    - {serial: SN7, bmc-mac: "52:54:00:aa:bb:cc", rack: r07, place: 10, name: store-1, group: storage}

    serial,bmc-mac,bmc-address,rack,place,name,group,outlets
    SN7,52:54:00:aa:bb:cc,,r07,10,store-1,storage,
    SN8,,,r07,12,store-2,storage,pdu1/8 pdu2/8

A machine has a serial or a place. A serial, a BMC's MAC and address, a place, a name and an outlet belong to one machine. Every mistake
names its line and column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..core.boot.junk import clean_serial
from ..core.hardware.outlets import OUTLET
from ..core.plan.known import KnownMachine
from ..plan import Plan
from .csv_source import Cell, parse
from .element import LABEL
from .mistakes import Mistakes, PlanError, PlanMistake, listed, nearest, shown
from .plan_machines import MAC
from .spelling import NAME
from .yaml_source import Listing, Mapping, Tree, Word, load

COLUMNS = ("serial", "bmc-mac", "bmc-address", "rack", "place", "name", "group", "outlets")
ALSO = {"outlet": "outlets"}
"""Other names of columns."""
MAX_OUTLETS = 8
MAX_ROWS = 10_000
MAX_BYTES = 4 << 20
"""Of a CSV file. A YAML file has the limits of every YAML file (`yaml_source`)."""


class _ListRow(Struct, frozen=True):
    """The cells of one machine that are not empty, and where it begins."""

    line: int
    column: int
    cells: dict[str, Cell]


def read_machine_list(path: Path, plan: Plan) -> tuple[KnownMachine, ...]:
    """The machines in a file. Raises PlanError, also if the file cannot be read or a machine does not fit the plan."""
    mistakes = Mistakes()
    readers: dict[str, Callable[[Path, Mistakes], list[_ListRow]]] = {".csv": _csv_rows, ".yml": _yaml_rows, ".yaml": _yaml_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        mistakes.add(PlanMistake(file=path.name, line=1, path="", expected="expected a file whose name ends in .yml, .yaml or .csv"))
    rows = reader(path, mistakes) if reader is not None else []
    if reader is not None and not rows and not mistakes.found:
        mistakes.add(PlanMistake(file=path.name, line=1, path="", expected="expected at least one machine"))
    found = tuple(_Checker(path.name, plan, mistakes).read(rows))
    if mistakes.left_out:
        more = PlanMistake(file=path.name, line=rows[-1].line if rows else 1, path="", expected=f"and {mistakes.left_out} more mistakes")
        raise PlanError([*sorted(mistakes.found, key=lambda one: (one.line, one.column)), more])
    mistakes.end()
    return found


# -- YAML ----------------------------------------------------------------------------------------------------------


def _yaml_rows(path: Path, mistakes: Mistakes) -> list[_ListRow]:
    tree = load(path, mistakes, path.name)
    if isinstance(tree, Mapping) and tree.items.keys() == {"machines"}:
        tree = tree.items["machines"]
    if tree is None:
        return []
    if not isinstance(tree, Listing):
        _fail(mistakes, path.name, tree, "expected a list of machines")
        return []
    if len(tree.items) > MAX_ROWS:
        _fail(mistakes, path.name, tree.items[MAX_ROWS], f"expected at most {MAX_ROWS} machines")
        return []
    return [row for item in tree.items if (row := _yaml_row(item, path.name, mistakes)) is not None]


def _yaml_row(item: Tree, name: str, mistakes: Mistakes) -> _ListRow | None:
    if not isinstance(item, Mapping):
        _fail(mistakes, name, item, f"expected a machine: a map with {listed(COLUMNS)}")
        return None
    cells = {}
    for word, value in item.items.items():
        key = ALSO.get(word, word)
        if key not in COLUMNS:
            _fail(mistakes, name, value, f"unknown key {shown(key)}; known: {listed(COLUMNS)}", nearest(key, COLUMNS))
        elif not isinstance(value, Word):
            _fail(mistakes, name, value, f"expected one word for {key}")
        elif value.text.strip() and value.value is not None:
            cells[key] = Cell(value.text.strip(), value.line, value.column)
    return _ListRow(item.line, item.column, cells)


def _fail(mistakes: Mistakes, name: str, at: Tree, expected: str, near: str = "") -> None:
    mistakes.add(PlanMistake(file=name, line=at.line, column=at.column, path="", expected=expected, nearest=near))


# -- CSV -----------------------------------------------------------------------------------------------------------


def _csv_rows(path: Path, mistakes: Mistakes) -> list[_ListRow]:
    text = _text(path, mistakes)
    rows = parse(text, path.name, MAX_ROWS, mistakes) if text is not None else None
    if not rows:
        return []
    names: list[str] = []
    for cell in rows[0]:
        name = re.sub(r"[ _]", "-", cell.text.strip().lower())
        name = ALSO.get(name, name)
        if name not in COLUMNS or name in names:
            what = "is there twice" if name in names else f"is unknown; known: {listed(COLUMNS)}"
            near = "" if name in names else nearest(name, COLUMNS)
            place = {"line": cell.line, "column": cell.column}
            mistakes.add(PlanMistake(file=path.name, path="", expected=f"column {shown(cell.text)} {what}", nearest=near, **place))
        names.append(name)
    found = []
    for row in rows[1:] if not mistakes.found else ():
        if len(row) != len(names):
            expected = f"expected {len(names)} cells as in the first row, not {len(row)}"
            mistakes.add(PlanMistake(file=path.name, line=row[0].line, column=row[-1].column, path="", expected=expected))
            continue
        cells = {n: Cell(c.text.strip(), c.line, c.column) for n, c in zip(names, row, strict=True) if c.text.strip()}
        if cells:
            found.append(_ListRow(row[0].line, row[0].column, cells))
    return found


def _text(path: Path, mistakes: Mistakes) -> str | None:
    expected, line = f"expected at most {MAX_BYTES} bytes", 1
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_BYTES + 1)
        if len(octets) <= MAX_BYTES:
            return octets.decode("utf-8-sig")
    except OSError as error:
        expected = f"cannot read the file: {error.strerror or error}"
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        expected = f"expected UTF-8 text; byte {error.start} is not"
    mistakes.add(PlanMistake(file=path.name, line=line, path="", expected=expected))
    return None


# -- the machines --------------------------------------------------------------------------------------------------


class _Checker:
    """Reads the rows one after another, and remembers what is taken."""

    def __init__(self, name: str, plan: Plan, mistakes: Mistakes) -> None:
        self._name, self._plan, self._mistakes = name, plan, mistakes
        self._taken: dict[tuple[str, str], str] = {}
        """Kind and value -> where it was first."""
        self._owner = {
            **{("bmc-mac", one.bmc.mac): one.serial for one in plan.machines if one.bmc.mac},
            **{("bmc-address", one.bmc.address): one.serial for one in plan.machines if one.bmc.address},
            **{("outlet", outlet): one.serial for one in plan.machines if one.serial for outlet in one.outlets},
            **{("name", rule.name): str(rule.match["serial"]) for rule in plan.rules if rule.name and rule.match.keys() == {"serial"}},
        }
        """Kind and value -> serial of the machine that has it in the plan."""
        self._fed = {outlet: (rack.name, place.unit) for rack in plan.racks for place in rack.places for outlet in place.outlets}
        """Outlet -> the place that it feeds in the plan."""
        self._racks = {rack.name: rack for rack in plan.racks}
        self._inside = {
            (rack.name, unit): place.unit
            for rack in plan.racks
            for place in rack.places
            for unit in range(place.unit + 1, place.unit + place.height)
        }

    def read(self, rows: list[_ListRow]) -> Iterator[KnownMachine]:
        kinds = {"outlets": "outlet"}
        listed_again = {(kinds.get(key, key), row.cells["serial"].text) for row in rows if "serial" in row.cells for key in row.cells}
        self._owner = {key: serial for key, serial in self._owner.items() if (key[0], serial) not in listed_again}
        for row in rows:
            if (found := self._machine(row)) is not None:
                yield found

    def _machine(self, row: _ListRow) -> KnownMachine | None:
        before = len(self._mistakes.found) + self._mistakes.left_out
        cells = row.cells
        if "serial" not in cells and "place" not in cells:
            self._fail(Cell("", row.line, row.column), "expected a serial or a place: nothing else tells which machine it is")
        elif "serial" not in cells and ("bmc-mac" in cells or "bmc-address" in cells):
            self._fail(Cell("", row.line, row.column), "expected the serial of the machine that this BMC belongs to")
        serial = self._serial(cells["serial"]) if "serial" in cells else ""
        mac = self._pattern(cells, "bmc-mac", MAC, 17, "a MAC like 52:54:00:aa:bb:cc").replace("-", ":").lower()
        address = self._address(cells["bmc-address"]) if "bmc-address" in cells else ""
        rack, place = self._place(cells)
        name = self._pattern(cells, "name", LABEL, 63, "a host name of a-z, 0-9 and -")
        group = self._pattern(cells, "group", NAME, 63, "a group's name")
        outlets = self._outlets(cells["outlets"], rack, place, serial) if "outlets" in cells else ()
        for kind, value in (("serial", serial), ("bmc-mac", mac), ("bmc-address", address), ("name", name)):
            self._once(cells.get(kind), kind, value, serial)
        if place:
            self._once(cells["place"], "place", f"{rack}:{place}", serial)
        if len(self._mistakes.found) + self._mistakes.left_out > before:
            return None
        found = KnownMachine(serial=serial, bmc_mac=mac, bmc_address=address, rack=rack, place=place, name=name, group=group)
        return replace(found, outlets=outlets)

    def _outlets(self, cell: Cell, rack: str, place: int, serial: str) -> tuple[str, ...]:
        """`pdu1/7 pdu2/7`: one for each power supply."""
        found = tuple(dict.fromkeys(re.split(r"[\s;]+", cell.text.lower())))
        if len(found) > MAX_OUTLETS:
            self._fail(cell, f"expected at most {MAX_OUTLETS} outlets, not {len(found)}")
            return ()
        for outlet in found:
            if len(outlet) > 127 or not OUTLET.fullmatch(outlet):
                self._fail(cell, f"expected outlets like pdu1/7 with spaces between them, not {shown(outlet[:40])}")
                return ()
            first = self._taken.setdefault(("outlet", outlet), f"{cell.line}:{cell.column}")
            there = self._fed.get(outlet)
            if first != f"{cell.line}:{cell.column}":
                self._fail(cell, f"outlet {outlet} is there twice, first at {first}")
            elif place and there is not None and there != (rack, place):
                self._fail(cell, f"outlet {outlet} feeds {there[0]} unit {there[1]} in the plan")
            elif self._owner.get(("outlet", outlet), serial) != serial:
                self._fail(cell, f"outlet {outlet} is that of machine {shown(self._owner['outlet', outlet])} in the plan")
        return found

    def _serial(self, cell: Cell) -> str:
        if len(cell.text) > 64 or not cell.text.isprintable():
            self._fail(cell, "expected a serial number of at most 64 printable characters")
        elif not clean_serial(cell.text):
            self._fail(cell, f"{shown(cell.text)} is on many machines, so it identifies none")
        else:
            return cell.text
        return ""

    def _pattern(self, cells: dict[str, Cell], key: str, pattern: re.Pattern[str], limit: int, what: str) -> str:
        cell = cells.get(key)
        if cell is None:
            return ""
        if len(cell.text) <= limit and pattern.fullmatch(cell.text):
            return cell.text
        self._fail(cell, f"expected {what}, not {shown(cell.text)}")
        return ""

    def _address(self, cell: Cell) -> str:
        try:
            return str(IPv4Address(cell.text))
        except AddressValueError:
            self._fail(cell, f"expected an IPv4 address, not {shown(cell.text)}")
            return ""

    def _place(self, cells: dict[str, Cell]) -> tuple[str, int]:
        """Rack and unit. The rack may be left out if the plan has only one."""
        cell = cells.get("place")
        if cell is None:
            if "rack" in cells:
                self._fail(cells["rack"], "expected a place too: the unit in the rack")
            return "", 0
        name = cells["rack"].text if "rack" in cells else next(iter(self._racks)) if len(self._racks) == 1 else ""
        rack = self._racks.get(name)
        if rack is None:
            known = f"known: {listed(self._racks)}"
            what = f"unknown rack {shown(name)}; {known}" if "rack" in cells else f"expected a rack too; {known}"
            self._fail(cells.get("rack", cell), what, nearest(name, self._racks) if name else "")
            return "", 0
        unit = int(cell.text) if cell.text.isascii() and cell.text.isdecimal() and len(cell.text) < 4 else 0
        if not 1 <= unit <= rack.units:
            self._fail(cell, f"expected a unit from 1 to {rack.units}, not {shown(cell.text)}")
            return "", 0
        if (name, unit) in self._inside:
            self._fail(cell, f"the place at {self._inside[(name, unit)]} already occupies unit {unit}")
            return "", 0
        return name, unit

    def _once(self, cell: Cell | None, kind: str, value: str, serial: str) -> None:
        if cell is None or not value:
            return
        first = self._taken.setdefault((kind, value), f"{cell.line}:{cell.column}")
        owner = self._owner.get((kind, value), serial)
        if first != f"{cell.line}:{cell.column}":
            self._fail(cell, f"{shown(value)} is there twice, first at {first}")
        elif owner != serial:
            self._fail(cell, f"{shown(value)} is that of machine {shown(owner)} in the plan")

    def _fail(self, cell: Cell, expected: str, near: str = "") -> None:
        self._mistakes.add(PlanMistake(file=self._name, line=cell.line, column=cell.column, path="", expected=expected, nearest=near))
