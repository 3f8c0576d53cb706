"""Lists of known machines as YAML and CSV, and what they make of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.plan.known import KnownMachine, with_machines
from engine.files import csv_source
from engine.files.catalog import shipped
from engine.files.machine_list import MAX_BYTES, MAX_ROWS, read_machine_list
from engine.files.mistakes import Mistakes, PlanError
from engine.files.plan_file import read, write
from engine.plan import ExpectedMachine, FactoryBmc, PlaceDef, Plan, RackDef, RoleSettings, Rule

TEXT = """\
crowbar: 1
site: {name: r1, admin: {address: 10.0.0.1}}
networks:
  admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}}
racks:
  - {name: r1, units: 20, places: {4: {height: 2}}}
machines:
  - {serial: SN1, bmc: {mac: "52:54:00:00:00:01", user: ADMIN, password: factory}}
rules:
  - {match: {serial: SN1}, name: old-name, group: old}
  - {match: {serial: SN2}, attributes: {root-disk: sdb}}
  - {match: {}, name: "node-{serial}"}
secrets: {factory: {env: FACTORY}}
"""
PLAN = read(TEXT, "plan.yml", shipped())
HEAD = "serial,bmc-mac,bmc-address,rack,place,name,group\n"


def listed(tmp_path: Path, text: str, suffix: str = ".csv", plan: Plan = PLAN) -> tuple[KnownMachine, ...]:
    file = tmp_path / f"list{suffix}"
    file.write_bytes(text.encode())
    return read_machine_list(file, plan)


def mistakes(tmp_path: Path, text: str, suffix: str = ".csv") -> list[str]:
    with pytest.raises(PlanError) as error:
        listed(tmp_path, text, suffix)
    return str(error.value).splitlines()


FIRST = KnownMachine(
    serial="SN7", bmc_mac="52:54:00:aa:bb:cc", bmc_address="10.0.1.7", rack="r1", place=10, name="store-1", group="storage"
)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv", HEAD + "SN7,52-54-00-AA-BB-CC,10.0.1.7,r1,10,store-1,storage\nSN8,,,,,,\n"),
        (
            ".csv",
            "\ufeff"
            + HEAD.replace(",", ";").replace("\n", "\r\n")
            + '"SN7";52:54:00:aa:bb:cc;10.0.1.7;;10;store-1;storage\r\n;;;;;;\r\n\r\nSN8;;;;;;',
        ),
        (".CSV", "Serial,BMC MAC,bmc_address,place,name,group\nSN7,52:54:00:aa:bb:cc,10.0.1.7,10,store-1,storage\nSN8,,,,,\n"),
        (
            ".yml",
            "- {serial: SN7, bmc-mac: 52:54:00:aa:bb:cc, bmc-address: 10.0.1.7, rack: r1, place: 10, name: store-1, group: storage}\n- serial: SN8\n  name:\n",
        ),
        (
            ".yaml",
            "machines:\n- {serial: SN7, bmc-mac: 52:54:00:aa:bb:cc, bmc-address: 10.0.1.7, place: 10, name: store-1, group: storage}\n- {serial: SN8}\n",
        ),
    ],
)
def test_the_same_machines_from_each_form(tmp_path: Path, suffix: str, text: str) -> None:
    assert listed(tmp_path, text, suffix) == (FIRST, KnownMachine(serial="SN8"))


def test_a_serial_of_digits_stays_text(tmp_path: Path) -> None:
    assert listed(tmp_path, "- {serial: 00123}\n", ".yml")[0].serial == "00123"
    made = with_machines(PLAN, [KnownMachine(serial="00123", name="zero")])
    assert read(write(made), "plan.yml", shipped()) == made


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        (",,,,,store-1,", "list.csv:2:1: expected a serial or a place: nothing else tells which machine it is"),
        (",52:54:00:aa:bb:cc,,,10,,", "list.csv:2:1: expected the serial of the machine that this BMC belongs to"),
        ("SN7,52:54:00:aa:bb,,,,,", "list.csv:2:5: expected a MAC like 52:54:00:aa:bb:cc, not '52:54:00:aa:bb'"),
        ("SN7,,10.0.1.300,,,,", "list.csv:2:6: expected an IPv4 address, not '10.0.1.300'"),
        ("SN7,,,r2,10,,", "list.csv:2:7: unknown rack 'r2'; known: r1"),
        ("SN7,,,r1,,,", "list.csv:2:7: expected a place too: the unit in the rack"),
        ("SN7,,,r1,21,,", "list.csv:2:10: expected a unit from 1 to 20, not '21'"),
        ("SN7,,,r1,5,,", "list.csv:2:10: the place at 4 already occupies unit 5"),
        ("SN7,,,,,Store_1,", "list.csv:2:9: expected a host name of a-z, 0-9 and -, not 'Store_1'"),
        ("SN7,,,,,{serial},", "list.csv:2:9: expected a host name of a-z, 0-9 and -, not '{serial}'"),
        ("SN7,,,,,,a b", "list.csv:2:10: expected a group's name, not 'a b'"),
        ("To Be Filled By O.E.M.,,,,,,", "list.csv:2:1: 'To Be Filled By O.E.M.' is on many machines, so it identifies none"),
        ('"SN\n7",,,,,,', "list.csv:2:1: expected a serial number of at most 64 printable characters"),
        (65 * "S" + ",,,,,,", "list.csv:2:1: expected a serial number of at most 64 printable characters"),
        ("SN7,52:54:00:00:00:01,,,,,", "list.csv:2:5: '52:54:00:00:00:01' is that of machine 'SN1' in the plan"),
        ("SN7,,,,,old-name,", "list.csv:2:9: 'old-name' is that of machine 'SN1' in the plan"),
        ("SN7,,,", "list.csv:2:7: expected 7 cells as in the first row, not 4"),
        ('"SN7,,,,,,', "list.csv:2:1: the quotes of this cell are not closed"),
        ('SN"7",,,,,,', "list.csv:2:1: expected quotes around the whole cell, or none in it"),
        ('"SN7"x,,,,,,', "list.csv:2:1: expected ',' or the end of the line after this cell"),
        ("SN7\rSN8,,,,,,", "list.csv:2:1: expected ',' or the end of the line after this cell"),
        (80 * ",", "list.csv:2:65: expected at most 64 cells in a row"),
    ],
)
def test_a_mistake_has_its_line_and_column(tmp_path: Path, row: str, mistake: str) -> None:
    assert mistakes(tmp_path, HEAD + row + "\n") == [mistake]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("- serial: SN7\n  bmc-mac: nonsense\n", "list.yml:2:12: expected a MAC like 52:54:00:aa:bb:cc, not 'nonsense'"),
        ("- {serial: SN7, grp: a}\n", "list.yml:1:22: unknown key 'grp'; known: "),
        ("- {serial: SN7, place: [1]}\n", "list.yml:1:24: expected one word for place"),
        ("- SN7\n", "list.yml:1:3: expected a machine: a map with "),
        ("serial: SN7\n", "list.yml:1:1: expected a list of machines"),
        ("[]\n", "list.yml:1: expected at least one machine"),
        ("- {serial: &a SN7}\n", "list.yml:1: anchors and aliases"),
        ("- {serial: SN7\n", "list.yml:2: this is not YAML"),
    ],
)
def test_mistakes_in_yaml_too(tmp_path: Path, text: str, mistake: str) -> None:
    (found,) = mistakes(tmp_path, text, ".yml")
    assert found.startswith(mistake)


@pytest.mark.parametrize(
    ("first", "second", "column"),
    [
        ("SN7,,,,,,", "SN7,,,,,,", 1),
        ("SN7,52:54:00:aa:bb:cc,,,,,", "SN8,52-54-00-AA-BB-CC,,,,,", 5),
        ("SN7,,10.0.1.7,,,,", "SN8,,10.0.1.7,,,,", 6),
        ("SN7,,,r1,10,,", ",,,,10,x,", 5),
        ("SN7,,,,,a,", "SN8,,,,,a,", 9),
    ],
)
def test_what_belongs_to_one_machine_is_refused_twice(tmp_path: Path, first: str, second: str, column: int) -> None:
    (found,) = mistakes(tmp_path, f"{HEAD}{first}\n{second}\n")
    assert found.startswith(f"list.csv:3:{column}: ")
    assert "is there twice, first at 2:" in found


def test_two_machines_of_the_plan_may_exchange_what_they_have(tmp_path: Path) -> None:
    found = listed(tmp_path, HEAD + "SN1,52:54:00:00:00:09,,,,new-name,\nSN9,52:54:00:00:00:01,,,,old-name,\n")
    assert [one.bmc.mac for one in with_machines(PLAN, found).machines] == ["52:54:00:00:00:09", "52:54:00:00:00:01"]


@pytest.mark.parametrize(
    ("head", "mistake"),
    [
        ("serial,nmae\n", "list.csv:1:8: column 'nmae' is unknown; known: "),
        ("serial,name,Name\n", "list.csv:1:13: column 'Name' is there twice"),
    ],
)
def test_the_first_row_names_known_columns_once(tmp_path: Path, head: str, mistake: str) -> None:
    assert mistakes(tmp_path, head + "SN7,a,b\n")[0].startswith(mistake)


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "x", ".txt") == ["list.txt:1: expected a file whose name ends in .yml, .yaml or .csv"]
    assert mistakes(tmp_path, "") == ["list.csv:1: expected at least one machine"]
    assert mistakes(tmp_path, HEAD + (MAX_BYTES // 10) * "SN7,,,,,,\n") == [f"list.csv:1: expected at most {MAX_BYTES} bytes"]
    with pytest.raises(PlanError, match=r"gone.csv:1: cannot read the file: No such file"):
        read_machine_list(tmp_path / "gone.csv", PLAN)
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"\xfc")
    with pytest.raises(PlanError, match=r"latin.csv:2: expected UTF-8 text"):
        read_machine_list(tmp_path / "latin.csv", PLAN)


def test_ten_thousand_rows_and_no_more(tmp_path: Path) -> None:
    rows = [f"SN7K{number:05},,,,,,\n" for number in range(MAX_ROWS + 1)]
    assert len(listed(tmp_path, HEAD + "".join(rows[:-1]))) == MAX_ROWS
    assert mistakes(tmp_path, HEAD + "".join(rows)) == [f"list.csv:{MAX_ROWS + 2}:1: expected at most {MAX_ROWS} rows below the first"]


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    found = mistakes(tmp_path, HEAD + 100 * "SN7,,,,,,\n")
    assert len(found) == 21
    assert found[-1].endswith("and 79 more mistakes")


# -- the plan ------------------------------------------------------------------------------------------------------


def test_machines_and_pins_are_added_and_the_rest_stays() -> None:
    known = [
        KnownMachine(serial="SN1", bmc_address="10.0.1.1", group="new"),
        KnownMachine(serial="SN2", name="two"),
        KnownMachine(rack="r1", place=10, name="ten"),
        KnownMachine(serial="SN8"),
    ]
    made = with_machines(PLAN, known)
    assert made.machines == (
        ExpectedMachine(serial="SN1", bmc=FactoryBmc(mac="52:54:00:00:00:01", address="10.0.1.1", user="ADMIN", password="factory")),
        ExpectedMachine(serial="SN2"),
        ExpectedMachine(serial="SN8"),
    )
    assert made.rules == (
        Rule(match={"serial": "SN1"}, name="old-name", group="new"),
        Rule(match={"serial": "SN2"}, name="two"),
        Rule(match={"rack": "r1", "place": 10}, name="ten"),
        Rule(match={"serial": "SN2"}, attributes={"root-disk": "sdb"}),
        Rule(match={}, name="node-{serial}"),
    )
    assert made.racks == (RackDef(name="r1", units=20, places=(PlaceDef(unit=4, height=2), PlaceDef(unit=10))),)
    assert read(write(made), "plan.yml", shipped()) == made


def test_a_rule_that_is_replaced_keeps_its_owner_and_one_with_settings_stays() -> None:
    owned = Rule(match={"serial": "SN1"}, name="one", deployment="left")
    settings_of_roles = Rule(match={"serial": "SN2"}, name="two", roles={"os-install": RoleSettings(attributes={"root-disk": "sdb"})})
    made = with_machines(replace(PLAN, rules=(owned, settings_of_roles)), [KnownMachine(serial=f"SN{n}", group="new") for n in (1, 2)])
    assert made.rules == (replace(owned, group="new"), Rule(match={"serial": "SN2"}, group="new"), settings_of_roles)


NAMES = st.sampled_from(["", "a", "b", "c"])
KNOWN = st.lists(
    st.builds(KnownMachine, serial=st.sampled_from(["SN1", "SN2", "SN3", "SN4"]), name=NAMES, group=NAMES),
    max_size=4,
    unique_by=lambda one: one.serial,
)


@given(first=KNOWN, second=KNOWN)
@settings(max_examples=100, deadline=None)
def test_the_same_list_twice_makes_the_same_plan(first: list[KnownMachine], second: list[KnownMachine]) -> None:
    once = with_machines(with_machines(PLAN, first), second)
    assert with_machines(once, second) == once
    assert read(write(once), "plan.yml", shipped()) == once
    assert len({one.serial for one in once.machines}) == len(once.machines)


@given(rows=st.lists(st.lists(st.text('ab,;"\n\r x', max_size=6), min_size=2, max_size=3), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_cells_come_back_as_they_were_written(rows: list[list[str]]) -> None:
    text = "head,head\r\n" + "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)
    found: Any = csv_source.parse(text, "x.csv", 10, Mistakes())
    assert [[cell.text for cell in row] for row in found[1:]] == rows
    for row in found:
        for cell in row:
            line = text.split("\n")[cell.line - 1]
            assert line[cell.column - 1 :].startswith(('"', "head"))


OUTLETS = "serial,rack,place,outlet\n"
PDUS = replace(PLAN, racks=(replace(PLAN.racks[0], places=(*PLAN.racks[0].places, PlaceDef(unit=7, outlets=("pdu1/7",)))),))


def test_outlets_are_those_of_the_place_and_of_the_machine(tmp_path: Path) -> None:
    known = listed(tmp_path, OUTLETS + "SN7,r1,10,pdu1/1 PDU2/1\nSN8,,,pdu1/2;pdu2/2.1.4\n,r1,12,pdu1/3\n")
    assert [one.outlets for one in known] == [("pdu1/1", "pdu2/1"), ("pdu1/2", "pdu2/2.1.4"), ("pdu1/3",)]
    made = read(write(with_machines(PLAN, known)), "plan.yml", shipped())
    assert {place.unit: place.outlets for place in made.racks[0].places} == {4: (), 10: ("pdu1/1", "pdu2/1"), 12: ("pdu1/3",)}
    assert {one.serial: one.outlets for one in made.machines if one.serial != "SN1"} == {
        "SN7": ("pdu1/1", "pdu2/1"),
        "SN8": ("pdu1/2", "pdu2/2.1.4"),
    }
    again = with_machines(made, listed(tmp_path, "serial,group\nSN7,new\n", plan=made))
    assert next(one for one in again.machines if one.serial == "SN7").outlets == ("pdu1/1", "pdu2/1"), "what is left out stays"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("SN7,r1,10,pdu1\n", "expected outlets like pdu1/7"),
        ("SN7,r1,10,../etc/7\n", "expected outlets like pdu1/7"),
        ("SN7,r1,10,pdu1/1\nSN8,r1,12,pdu1/1\n", "outlet pdu1/1 is there twice, first at 2:"),
        ("SN7,r1,10,pdu1/7\n", "outlet pdu1/7 feeds r1 unit 7 in the plan"),
        ("SN7,r1,10," + " ".join(f"p/{n}" for n in range(9)) + "\n", "expected at most 8 outlets"),
    ],
)
def test_outlets_that_cannot_be(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        listed(tmp_path, OUTLETS + rows, plan=PDUS)
