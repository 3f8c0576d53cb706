"""Redfish: the certificate that a BMC is known by, and whether it speaks Redfish at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redfish_odd import READ_OFF, failed
from redfish_rig import Service, redfish

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
