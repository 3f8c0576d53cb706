"""Redfish: the certificate that a BMC is known by, and whether it speaks Redfish at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import READ_OFF, failed
from redfish_rig import Service, redfish

from engine.files import key_file
from engine.power.certificates import Certificates
from engine.power.redfish import speaks_redfish
from engine.racks.bmc.ipmi import DEAD, LOCKED
from engine.racks.bmc.redfish import RedfishFarm, certificate


def test_another_certificate_gets_no_password(tmp_path: Path) -> None:
    (one := tmp_path / "one").mkdir()
    (two := tmp_path / "two").mkdir()
    file = tmp_path / "known"
    with Service(one) as first:
        assert redfish(first.port, certificates=Certificates(file)).read() == READ_OFF
        assert redfish(first.port, certificates=Certificates(file)).read() == READ_OFF
    line = file.read_text()
    assert line.count("\n") == 1
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with Service(two) as second:
        file.write_text(line.replace(str(first.port), str(second.port)))
        failed(
            redfish(second.port, certificates=Certificates(file)).read(),
            "refused",
            "another certificate",
            f"127.0.0.1:{second.port}",
            str(file),
        )
        assert not second.seen
        file.write_text("")
        assert redfish(second.port, certificates=Certificates(file)).read() == READ_OFF


def test_a_certificate_that_cannot_be_kept_ends_it(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        failed(redfish(service.port, certificates=Certificates(tmp_path)).read(), "refused", "cannot be compared", "is a folder")
        assert not service.seen


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    first = certificate(tmp_path).read_bytes()
    assert certificate(tmp_path).read_bytes() == first
    assert oct(certificate(tmp_path).stat().st_mode & 0o777) == "0o600"


def test_whether_redfish_is_spoken(redfish_farm: RedfishFarm, machine: Any, tmp_path: Path) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=LOCKED)
    assert speaks_redfish("127.0.0.1", bmc.port, 10.0)
    assert redfish_farm.counters.refused == 0
    bmc.mood = DEAD
    assert not speaks_redfish("127.0.0.1", bmc.port, 0.3)
    assert not speaks_redfish("bmc.example.net", 443, 0.3)
    for other in ((404, {}, {}), (301, {"Location": "/"}, {}), {"Systems": {}}, {"RedfishVersion": "1.0.0"}, (200, {}, [1])):
        with Service(tmp_path, {"GET /redfish/v1/": other}) as service:
            assert not speaks_redfish("127.0.0.1", service.port, 10.0)


def test_the_file_is_read_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "known"
    reads: list[Path] = []
    read = key_file.read
    monkeypatch.setattr(key_file, "read", lambda path, *words, **options: reads.append(path) or read(path, *words, **options))
    known = Certificates(file)
    for number in range(300):
        assert known.accepts("10.0.0.1", 1000 + number, b"one")
        assert not known.accepts("10.0.0.1", 1000 + number, b"two")
    assert len(reads) <= 1
    assert len(file.read_text().splitlines()) == 300
    assert not Certificates(file).accepts("10.0.0.1", 1007, b"two")
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if ":1007 " not in line))
    assert known.accepts("10.0.0.1", 1007, b"two"), "a person deleted its line"
    assert not known.accepts("10.0.0.1", 1007, b"one")
    file.unlink()
    assert known.accepts("10.0.0.1", 1000, b"three"), "a person deleted the file"
    file.write_text("damaged\n")
    with pytest.raises(key_file.KeyFileError, match="line 1 of"):
        known.accepts("10.0.0.1", 1000, b"three")


def test_two_engines_on_one_file_see_each_other_s(tmp_path: Path) -> None:
    one, two = Certificates(tmp_path / "known"), Certificates(tmp_path / "known")
    for number in range(20):
        assert (one if number % 2 else two).accepts("10.0.0.1", number, b"a")
        assert not (two if number % 2 else one).accepts("10.0.0.1", number, b"b")
