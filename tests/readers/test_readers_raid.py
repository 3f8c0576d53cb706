"""The readers of RAID tools on invented reports: golden records, and what a report means where tools differ."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from readers_raid_samples import ARCCONF, EXPORT, MDSTAT, MEGACLI, SAMPLES, SASIRCU, SSACLI, STORCLI_JSON, STORCLI_TEXT

from engine.parts import Parts
from engine.readers import arcconf, mdadm, megacli, sasircu, ssacli, storcli
from engine.readers.raid_formats import RAID_FORMATS
from engine.readers.report import Refused

GOLDEN = Path(__file__).parent / "recorded" / "raid_samples.json"


def read(sample: str) -> Parts:
    return RAID_FORMATS[sample.split()[0]][1](SAMPLES[sample])


def test_the_invented_reports_are_read_as_their_golden_records_say() -> None:
    """`CROWBAR_GOLDEN=write` writes the records anew."""
    got = {name: json.loads(msgspec.json.encode(read(name))) for name in SAMPLES}
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        GOLDEN.write_text("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in got.items()) + "\n}\n")
    golden = json.loads(GOLDEN.read_text())
    for name, one in got.items():
        assert one == golden[name], name
    assert golden.keys() == got.keys()


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_report_is_recognised_as_its_own_format(sample: str) -> None:
    assert [name for name, row in RAID_FORMATS.items() if row[2](SAMPLES[sample])] == [sample.split()[0]]


def test_text_and_json_of_storcli_say_the_same() -> None:
    record = storcli.read(STORCLI_TEXT)
    assert [(one.place, one.state, one.model) for one in record.drives][2] == ("8:2", "spare", "ST1000NX0313")
    assert record.volumes[0].members == ("8:0", "8:1")
    rows: list[dict[str, Any]] = [
        {"EID:Slt": f"8:{at}", "DID": 10 + at, "State": "Onln", "DG": 0, "Size": "931.512 GB", "Intf": "SATA", "Med": "HDD", "SeSz": "512B"}
        | {"Model": "WDC WD1003FBYZ-0"}
        for at in (0, 1)
    ]
    data = {"VD LIST": [{"DG/VD": "0/0", "TYPE": "RAID1", "State": "Optl", "Size": "931.512 GB", "Name": ""}], "PD LIST": rows}
    answer = {"Controllers": [{"Command Status": {"CLI Version": "7", "Controller": 0, "Status": "Success"}, "Response Data": data}]}
    other = storcli.read(json.dumps(answer))
    assert other.drives == record.drives[:2]
    assert other.volumes == record.volumes


def test_gb_of_storcli_is_decimal_only_where_the_report_has_gib() -> None:
    decimal = STORCLI_JSON.replace('"Dgrd", "Access" : "RW", "Size" : "893.750 GB"', '"Dgrd", "Access" : "RW", "Size" : "893.750 GiB"')
    assert storcli.read(STORCLI_JSON).drives[0].size == int(893.75 * (1 << 30))
    assert storcli.read(decimal).drives[0].size == 893_750_000_000


def test_sectors_make_a_size_exact_with_the_block_size_that_fits_the_words() -> None:
    def size(raw: str) -> tuple[int, int]:
        one = megacli.read(MEGACLI.replace("931.512 GB [0x74706db0 Sectors]", raw)).drives[0]
        return one.size, one.block

    assert size("931.512 GB [0x74706db0 Sectors]") == (1_000_204_886_016, 512)
    assert size("3.638 TB [0x3a3817d6 Sectors]") == (976_754_646 * 4096, 4096)
    assert size("931.512 GB [0x5 Sectors]") == (int(931.512 * (1 << 30)), 512)  # the two contradict each other


def test_a_drive_of_an_unknown_word_is_not_called_free() -> None:
    assert storcli.read(STORCLI_JSON.replace('"UGood"', '"Sanitize"')).drives[3].state == "other"
    assert storcli.read(STORCLI_JSON.replace('"DG" : "F"', '"DG" : "-"')).drives[3].state == "unused"


def test_a_failed_command_is_refused_with_the_words_of_the_tool() -> None:
    text = '{"Controllers":[{"Command Status":{"CLI Version":"7","Status":"Failure","Description":"No Controller found"}}]}'
    with pytest.raises(Refused, match="No Controller found"):
        storcli.read(text)
    with pytest.raises(Refused, match="does not have any logical"):
        ssacli.read("\nError: The specified device does not have any logical drives.\n")
    with pytest.raises(Refused, match="no IR volumes"):
        sasircu.read("LSI Corporation SAS2 IR Configuration Utility.\nSAS2IRCU: there are no IR volumes on the controller!\n")


def test_a_cage_does_not_give_its_serial_number_to_the_controller() -> None:
    text = SSACLI.replace("  (sn: PDNLH0BRH0000)", "")
    assert ssacli.read(text).controllers[0].serial == ""


def test_an_address_of_adaptec_is_no_name_of_a_drive() -> None:
    assert arcconf.read(ARCCONF).drives[0].wwn == ""
    assert arcconf.read(ARCCONF.replace("50000D1101D8A111", "5000C500813BF05B")).drives[0].wwn == "5000c500813bf05b"


def test_the_last_sector_is_not_the_number_of_sectors() -> None:
    assert sasircu.read(SASIRCU).drives[0].size == 937_703_088 * 512


def test_which_member_is_rebuilt_is_not_guessed() -> None:
    assert {one.name: one.state for one in mdadm.read(MDSTAT).drives}["nvme2n1p2"] == ""
    whole = MDSTAT.replace("[3/2] [UU_]", "[3/3] [UUU]")
    assert {one.name: one.state for one in mdadm.read(whole).drives}["nvme2n1p2"] == "online"


def test_an_array_without_a_member_is_degraded() -> None:
    assert mdadm.read(EXPORT).volumes[0].state == "degraded"
    both = EXPORT.replace("sdc_ROLE=spare", "sdc_ROLE=1")
    assert (mdadm.read(both).volumes[0].state, mdadm.read(both).volumes[0].members) == ("optimal", ("sdb", "sdc"))
