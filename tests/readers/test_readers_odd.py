"""Odd reports: what makers, old tools, logins and other programs put where a report should be. All values are invented."""

from __future__ import annotations

import json
from typing import Any

import invented
import pytest

from engine.parts import Parts
from engine.readers.formats import FORMATS, read, read_octets, recognise
from engine.readers.report import Refused, told

TEXTS = [name for name in invented.names() if "refused" not in invented.said(name)]
BANNERS = {
    "sudo": b"sudo: unable to resolve host node7: Name or service not known\n",
    "ssh": b"Warning: Permanently added '10.0.0.7' (ED25519) to the list of known hosts.\n",
    "motd": b"\n  ** Authorised users only **\n\nLast login: Tue Dec  1 00:00:00 2026 from 10.0.0.1\nWelcome\n * Documentation: x\n\n",
    "locale": b"perl: warning: Setting locale failed.\nperl: warning: Falling back to the standard locale.\n",
}


@pytest.mark.parametrize("banner", BANNERS)
@pytest.mark.parametrize("name", TEXTS)
def test_what_a_login_says_first_changes_nothing(name: str, banner: str) -> None:
    data = (invented.EXAMPLES / name).read_bytes()
    format, parts = read_octets(data)
    if format == "cardiff" or FORMATS[format].octets:
        return
    assert read_octets(BANNERS[banner] + data) == (format, parts)


@pytest.mark.parametrize("name", TEXTS)
def test_colours_padding_and_wide_characters_change_nothing(name: str) -> None:
    data = (invented.EXAMPLES / name).read_bytes()
    plain = read_octets(data)
    if FORMATS[plain[0]].octets:
        return
    coloured = b"\n".join(b"\x1b[1;32m" + row[:1] + b"\x1b[0m" + row[1:] for row in data.split(b"\n"))
    assert read_octets(coloured) == plain
    assert read_octets(data + b"\0\0\0") == plain
    assert read_octets(data.decode().encode("utf-16-le")) == plain


def test_a_prompt_behind_json_is_not_read_and_a_second_value_is_refused() -> None:
    data = (invented.EXAMPLES / "nvme-list-2.json").read_bytes()
    assert read_octets(data + b"\nroot@node7:~# \n") == read_octets(data)
    assert read_octets(data + b"[root@node7 ~]# exit\n") == read_octets(data)
    for more in (data, b'{"a": 1}', b"[\n{}\n]"):
        with pytest.raises(Refused, match="no whole JSON"):
            read_octets(data + b"\n" + more)


@pytest.mark.parametrize("name", TEXTS)
def test_a_last_line_without_an_end_is_told_where_it_would_say_something(name: str) -> None:
    data = (invented.EXAMPLES / name).read_bytes().rstrip()
    format, parts = read_octets(data + b"\n")
    if FORMATS[format].octets:
        return
    cut = read_octets(data)[1]
    assert cut == parts or any("the last line has no end" in one for one in cut.odd)


@pytest.mark.parametrize(
    "text",
    [
        "To Be Filled By O.E.M.",
        "Fill By OEM",
        "TBD by ODM",
        "0123456789",
        "01234567890123456789AB",
        "12345678",
        "00000000",
        "(none)",
        "INVALID",
        "Not Specified",
        "Not Defined",
        "Default string",
        "SerNum00",
        "A1_Manufacturer3",
        "Array1_PartNumber3",
        "ModulePartNumber00",
        "Chassis Serial Number",
        "Chassis Version",
        "Base Board Version",
        "SKU Number",
        "Type1Sku0",
        "Type2 - Board Version",
        "Family",
        "No Enclosure",
        "xxxxxxx",
        "........",
    ],
)
def test_placeholders_of_makers_are_not_told(text: str) -> None:
    assert told(text) == told(f"  {text.upper()} ") == ""


@pytest.mark.parametrize(
    "text", ["1234567", "0", "00", "ABC0000", "Family 7", "SKU123", "Typhoon", "Samsung", "M393A2K43", "X9", "0012345"]
)
def test_what_only_looks_like_a_placeholder_is_told(text: str) -> None:
    assert told(text) == text


def dmi(structure: int, title: str, **values: str) -> str:
    rows = "".join(f"\t{key.replace('_', ' ')}: {value}\n" for key, value in values.items())
    return f"Handle 0x{structure:04X}, DMI type {structure}, 40 bytes\n{title}\n{rows}\n"


def test_a_processor_that_the_firmware_has_disabled() -> None:
    one = read("# dmidecode 3.6\n" + dmi(4, "Processor Information", Socket_Designation="CPU 2", Status="Populated, Disabled By BIOS"))
    assert [(cpu.present, cpu.health, cpu.note) for cpu in one.processors] == [(True, "warning", "Populated, Disabled By BIOS")]


def test_impossible_numbers_of_smbios_are_not_told() -> None:
    cpu = dmi(4, "Processor Information", Status="Populated, Enabled", Core_Count="8", Thread_Count="1")
    dimm = dmi(17, "Memory Device", Size="16 GB", Locator="A1", Speed="50410 MT/s", Configured_Memory_Speed="32768 MT/s")
    supply = dmi(39, "System Power Supply", Location="PSU 1", Name="P1", Max_Power_Capacity="65535 W")
    one = read(f"# dmidecode 3.6\n{cpu}{dimm}{supply}")
    assert [(cpu.cores, cpu.threads) for cpu in one.processors] == [(8, 0)]
    assert [(dimm.size, dimm.speed, dimm.rated) for dimm in one.dimms] == [(16 << 30, 0, 0)]
    assert [supply.watts for supply in one.supplies] == [0]


def test_a_port_of_hpe_has_one_line_although_it_has_an_address_for_iscsi_too() -> None:
    pxe = dmi(209, "HP BIOS PXE NIC PCI and MAC Information", NIC_1="PCI device 03:00.0, MAC address 02:00:00:00:00:10")
    iscsi = dmi(221, "HP BIOS iSCSI NIC PCI and MAC Information", NIC_1="PCI device 03:00.0, MAC address 02:00:00:00:00:11")
    assert [port.mac for port in read(f"# dmidecode 3.3\n{pxe}{iscsi}").ports] == ["02:00:00:00:00:10"]


SCSI = "smartctl version 5.38 [x86_64] Copyright (C) 2002-8 Bruce Allen\n\nDevice: {} Version: {}\nSerial number: XY1\nDevice type: {}\n"


def test_smartctl_before_5_41_tells_maker_model_and_firmware_in_one_line() -> None:
    one = read(SCSI.format("EXAMPLE  DISK 300SS      ", "BA23", "disk") + "Transport protocol: SAS\n").drives[0]
    assert (one.vendor, one.model, one.firmware, one.protocol) == ("EXAMPLE", "DISK 300SS", "BA23", "sas")


@pytest.mark.parametrize("kind", ["enclosure", "medium changer", "storage array"])
def test_a_scsi_device_without_a_medium_is_no_drive(kind: str) -> None:
    with pytest.raises(Refused, match=f"no drive: {kind}"):
        read(SCSI.format("EXAMPLE SHELF7", "1.06", kind))
    with pytest.raises(Refused, match=f"no drive: {kind}"):
        read(json.dumps({"json_format_version": [1, 0], "smartctl": {}, "scsi_product": "SHELF7", "device_type": {"name": kind}}))


def test_a_drive_without_its_disc_has_no_size() -> None:
    page = (
        "smartctl 7.0 2018-12-30 r4883\n=== START OF INFORMATION SECTION ===\nVendor: hp\nProduct: DVD X\nUser Capacity: "
        "7,757,100,351,738,617,888 bytes [7757 PB]\nLogical block size: 1752178720 bytes\nDevice type: CD/DVD\nNO MEDIUM present\n"
    )
    one = read(page).drives[0]
    assert (one.size, one.block, one.medium) == (0, 0, "optical")


@pytest.mark.parametrize("size", ["1.000.204.886.016", "1 000 204 886 016", "1'000'204'886'016", "1’000’204’886’016", "1,000,204,886,016"])
def test_sizes_in_all_spellings_of_locales(size: str) -> None:
    text = f"smartctl 7.3 2022-02-28 r5338\nDevice Model: EXAMPLE\nUser Capacity:    {size} bytes [1,00 TB]\n"
    assert read(text).drives[0].size == 1_000_204_886_016


def test_octets_that_are_no_identity_of_an_ata_drive() -> None:
    with pytest.raises(Refused, match="/dev/sdb: sent no identity|/dev/sdb sent no identity"):
        read(
            "/dev/sdb:\n\nATA device, with non-removable media\n\tModel Number:       \u00ea\x07\x08 ]\n\tSerial Number:      \u00ca\x11\n"
        )


def test_dimms_and_processors_of_a_fru_are_no_cards() -> None:
    text = "".join(
        f"FRU Device Description : {name} (ID {number})\n Product Manufacturer  : Maker\n Product Name          : {name} thing\n\n"
        for number, name in ((16, "CPU 1"), (32, "DIMM A1"), (48, "Riser 1"))
    )
    one = read(text)
    assert [[piece.place for piece in pieces] for pieces in (one.processors, one.dimms, one.cards)] == [["CPU 1"], ["DIMM A1"], ["Riser 1"]]


def test_an_entry_of_a_maker_in_the_event_log_has_no_time() -> None:
    text = "   1 | 04/15/2021 | 10:02:33 UTC | Fan #0x30 | Lower Critical going low | Asserted\n   2 | OEM record e0 | 000137aabbcc\n"
    assert [(one.id, one.at, one.sensor, one.text) for one in read(text).log] == [
        ("1", "2021-04-15T10:02:33", "Fan #0x30", "Lower Critical going low"),
        ("2", "", "OEM record e0", "000137aabbcc"),
    ]


def test_errors_between_the_sensors_are_no_sensors() -> None:
    text = "Get SDR 00a4 command failed: Timeout\nFan1 | 3000 RPM | ok\nGet SDR 00a5 command failed: Timeout\nTemp | 40 degrees C | ok\n"
    assert [one.name for one in read(text).readings] == ["Fan1", "Temp"]


def test_a_namespace_that_two_controllers_lead_to_is_one_drive() -> None:
    controllers = [{"Controller": f"nvme{n}", "SerialNumber": "S1", "ModelNumber": "M", "Namespaces": []} for n in range(2)]
    spaces = [{"NameSpace": "nvme0n1", "PhysicalSize": 10**12, "SectorSize": 512}]
    top = {"Devices": [{"HostNQN": "x", "Subsystems": [{"Namespaces": spaces, "Controllers": controllers}]}]}
    assert [(one.name, one.serial, one.size) for one in read(json.dumps(top)).drives] == [("nvme0n1", "S1", 10**12)]


def test_a_placeholder_in_the_name_of_lshw_is_cut_off() -> None:
    node = {"id": "n", "class": "system", "claimed": True, "product": "Server 1 (To Be Filled By O.E.M.)", "children": []}
    system = read(json.dumps(node)).system
    assert system is not None
    assert system.model == "Server 1"


def test_a_dimm_whose_size_an_old_lshw_does_not_know_is_present() -> None:
    bank = {"id": "bank:0", "class": "memory", "slot": "A1", "description": "DIMM DDR4 2933 MHz [empty]", "product": "P1", "serial": "S1"}
    bare = {"id": "bank:1", "class": "memory", "slot": "A2", "description": "DIMM [empty]", "product": "NO DIMM", "serial": "NO DIMM"}
    memory = {"id": "memory", "class": "memory", "children": [bank, bare]}
    top: dict[str, Any] = {"id": "n", "class": "system", "claimed": True, "children": [memory]}
    assert [(one.place, one.present, one.size) for one in read(json.dumps(top)).dimms] == [("A1", True, 0), ("A2", False, 0)]


def test_lines_of_two_ports_that_are_mixed() -> None:
    text = "lldp.eno1.via=LLDP\nlldp.eno1.chassis.name=a\nlldp.eno2.via=LLDP\nlldp.eno1.port.ifname=p1\nlldp.eno2.port.ifname=p2\n"
    assert [(one.nic, one.system, one.port) for one in read(text).heard] == [("eno1", "a", "p1"), ("eno2", "", "p2")]


@pytest.mark.parametrize(
    "text",
    [
        "Name        : make\nVersion     : 3.82\nArchitecture: x86_64\nSize        : 1160660\n",
        "Package: systemd\nVersion: 247\nArchitecture: amd64\nDepends: libc6\n",
        'TYPE="Ethernet"\nNAME="ens33"\nDEVICE="ens33"\nONBOOT="yes"\n',
        "total 12\ndrwxr-xr-x 2 root root 4096 Dec  1 00:00 .\n",
        "bash: ipmitool: command not found\n",
        "<html><head><title>401 Unauthorized</title></head></html>\n",
    ],
)
def test_reports_of_other_programs_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="no format of the table fits"):
        recognise(text)


def test_an_empty_record_of_a_whole_report_is_none_of_a_cut_one() -> None:
    text = "Node         SN   Model FW Rev\n------------ ---- ----- ------\n/dev/nvme0n1 S1   M1    1.0"
    assert read(text, "nvme") != Parts()
