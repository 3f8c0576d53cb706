"""Hardware reports on their way into the engine: read, kept, and summed up; and what a machine that lies can do."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from engine.core.roles.typed import misfit
from engine.events import Event, Outcome
from engine.files.catalog import shipped
from engine.racks.simulated.reports import packed
from engine.runtime import hardware
from engine.runtime.hardware import BadBundle, HardwareReports, read_bundle, unpacked
from engine.store.hardware import HardwareShelf

DMI = """# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 3.2.0 present.

Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: Dell Inc.
\tProduct Name: PowerEdge R640
\tSerial Number: ABC123

Handle 0x1100, DMI type 17, 84 bytes
Memory Device
\tSize: 16 GB
\tLocator: A1
\tType: DDR4
\tSerial Number: D1

"""
SECOND = DMI + DMI[DMI.index("Handle 0x1100") :].replace("A1", "A2").replace("D1", "D2").replace("1100", "1101")


def outcome(reports: Any) -> Outcome:
    return Outcome(attempt="b-1.0", node="n1", what="done", gives={"cpus": 4, "hardware": {"reports": reports}})


def sent(shelf: HardwareShelf, event: Event) -> Outcome:
    out: list[Event] = []
    assert HardwareReports(shelf, now=lambda: 1000.0).submit_to(lambda one: not out.append(one))(event)  # type: ignore[func-returns-value]
    (found,) = out
    assert isinstance(found, Outcome)
    return found


def test_a_summary_takes_the_place_of_the_reports(tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    first = sent(shelf, outcome(packed({"dmidecode": SECOND, "smartctl-json@sda": "smartctl: not a drive\n", "lscpu": " \n"})))
    told = first.gives["hardware"]
    assert isinstance(told, dict)
    assert told["facts"] == {"system": "Dell Inc. PowerEdge R640", "memory": "32 GiB", "dimms": "2 x 16 GiB DDR4"}
    assert (told["changes"], told["gone"], told["reports"]) == ([], 0, 2)
    assert [one.split(":")[0] for one in told["refused"]] == ["smartctl-json@sda"]  # type: ignore[union-attr]
    assert first.gives["cpus"] == 4
    assert misfit(shipped().attributes["hardware"], told) is None
    record = shelf.now("n1")
    assert record is not None
    assert [dimm.place for dimm in record.parts.dimms] == ["A1", "A2"]
    assert unpacked(shelf.raw("n1"))[0] == ("dmidecode", SECOND.encode())
    then = sent(shelf, outcome(packed({"dmidecode": DMI}))).gives["hardware"]
    assert isinstance(then, dict)
    assert (then["changes"], then["gone"]) == (["DIMM A2 (16 GiB DDR4, serial D2) is gone"], 1)


def test_other_outcomes_pass(tmp_path: Path) -> None:
    event = Outcome(attempt="b-1.0", node="n1", what="done", gives={"cpus": 4})
    assert sent(HardwareShelf(tmp_path), event) is event


def tar(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for one in members:
            archive.addfile(one, io.BytesIO(b"x" * one.size))
    return gzip.compress(out.getvalue())


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.size, one.type, one.linkname = size, kind, "/etc/shadow"
    return one


BAD = {
    "none": None,
    "number": 7,
    "empty": "",
    "no base64": "%%%",
    "no archive": "AAAA",
    "no gzip": base64.b64encode(b"no gzip").decode(),
    "no tar": base64.b64encode(gzip.compress(b"no tar" * 200)).decode(),
    "cut off": base64.b64encode(tar(member("a", 100))[:-20]).decode(),
}


@pytest.mark.parametrize("reports", BAD.values(), ids=BAD)
def test_what_cannot_be_unpacked_fails_the_role(reports: Any, tmp_path: Path) -> None:
    found = sent(HardwareShelf(tmp_path), outcome(reports))
    assert found.what == "failed"
    assert found.failure is not None
    assert found.failure.code == "bad_result"
    assert not (tmp_path / "hardware").exists()


def test_an_archive_that_grows_without_end_is_refused() -> None:
    bomb = gzip.compress(b"\0" * (hardware.MOST_OCTETS + 1024))
    with pytest.raises(BadBundle, match="more than 32 MiB"):
        read_bundle(bomb)


def test_too_many_reports_are_refused() -> None:
    with pytest.raises(BadBundle, match="more than 400"):
        read_bundle(tar(*(member(f"r{n}") for n in range(hardware.MOST_REPORTS + 1))))


def test_links_and_paths_lead_nowhere(tmp_path: Path) -> None:
    found = unpacked(tar(member("link", kind=tarfile.SYMTYPE), member("../../up", 3), member("dev", kind=tarfile.CHRTYPE)))
    assert found == [("../../up", b"xxx")]
    sent(HardwareShelf(tmp_path), outcome(base64.b64encode(tar(member("../../up", 3))).decode()))
    assert {path.name for path in (tmp_path / "hardware/n1").iterdir()} == {"in-band.json", "in-band.tar.gz"}


def test_a_full_disk_costs_the_record_and_not_the_role(tmp_path: Path) -> None:
    (tmp_path / "hardware").write_text("no folder")
    found = sent(HardwareShelf(tmp_path), outcome(packed({"dmidecode": DMI})))
    assert found.what == "done"
    assert found.gives["hardware"]["facts"]["system"] == "Dell Inc. PowerEdge R640"  # type: ignore[call-overload,index]
