"""Redfish: which of several systems is the node."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redfish_odd import one
from redfish_rig import Service, redfish, system

from engine.power import PowerDone, PowerState
from engine.power.redfish_find import chosen, same_uuid

OWN = "12345678-9abc-def0-1122-334455667788"
SWAPPED = str(UUID(bytes=UUID(OWN).bytes_le))


@pytest.mark.parametrize("spelled", [OWN, OWN.upper(), OWN.replace("-", ""), f"urn:uuid:{OWN}", f"{{{OWN}}}", SWAPPED, SWAPPED.upper()])
def test_a_uuid_in_another_spelling(tmp_path: Path, spelled: str) -> None:
    several = {
        "GET /redfish/v1/Systems": {"Members": [{"@odata.id": f"/redfish/v1/Systems/{n}"} for n in (1, 2, 3, 4)]},
        "GET /redfish/v1/Systems/1": system(UUID="00000000-0000-0000-0000-000000000000"),
        "GET /redfish/v1/Systems/2": system(UUID=spelled, PowerState="On"),
        "GET /redfish/v1/Systems/4": (404, {}, {}),
        "GET /redfish/v1/Systems/3": system(UUID="00000000-0000-0000-0000-000000000000"),
    }
    with Service(tmp_path, several) as service:
        assert redfish(service.port, uuid=OWN).read() == PowerDone(state=PowerState.ON, boot_device="none")


@pytest.mark.parametrize(
    ("systems", "path"),
    [
        ([one("a", UUID=OWN), one("b", UUID=SWAPPED)], "a"),
        ([one("a", UUID=OWN, SerialNumber="S1"), one("b", UUID=OWN, SerialNumber=" s2 ")], "b"),
        ([one("a", UUID=OWN), one("b", UUID=OWN)], ""),
        ([one("a", SerialNumber="S2"), one("b", SerialNumber="S2")], ""),
        ([one("a", SystemType="DPU"), one("b", SystemType="Physical")], "b"),
        ([one("a", Actions={}), one("b"), one("c", SystemType="VirtualMachine")], "b"),
        ([one("a"), one("b")], ""),
        ([one("a", UUID=7, SerialNumber=None), one("b", UUID=[], SerialNumber={})], ""),
    ],
)
def test_which_of_several(systems: Any, path: str) -> None:
    assert chosen(systems, OWN, "S2") == path
    assert chosen(systems[::-1], OWN, "S2") == path


@given(st.uuids(), st.uuids())
def test_uuids(left: UUID, right: UUID) -> None:
    swapped = UUID(bytes=left.bytes_le)
    assert same_uuid(left.hex.upper(), str(left), swapped=False)
    assert same_uuid(str(swapped), str(left), swapped=True)
    assert same_uuid(str(left), str(right), swapped=False) == (left == right)
    assert not same_uuid("", "", swapped=False)
