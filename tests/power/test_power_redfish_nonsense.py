"""Redfish: generated nonsense is no defect of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redfish_rig import SYSTEM, Service, redfish

from engine.power import Pace, PowerDone, PowerFailed, SensorsRead

_NAMES = """
    @odata.id PowerState Boot Actions #ComputerSystem.Reset target @Redfish.ActionInfo Parameters Links Chassis BootSourceOverrideEnabled
    BootSourceOverrideTarget BootSourceOverrideMode Thermal Power Sensors Temperatures Fans Members Reading ReadingCelsius Status Health State
    Name AllowableValues UUID error ResetType@Redfish.AllowableValues BootSourceOverrideTarget@Redfish.AllowableValues LocationIndicatorActive
""".split()
_LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.sampled_from(["/redfish/v1/X", "On", "Off"])
)
_JSON = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6), max_leaves=12
)


def test_nonsense_is_no_defect_of_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever JSON a service sends, it is a result or a reason, and nothing is logged as a mistake."""
    said: dict[str, Any] = {}
    pace = Pace(web_s=0.5, soft_s=0.5, sensors_s=0.5, greet_s=0.5, rest_s=0.0, poll_s=0.05)

    def some(name: str) -> Any:
        return lambda _: (200, {}, said[name])

    replies = {
        f"GET {SYSTEM}": some("system"),
        "GET /redfish/v1/X": some("other"),
        "PATCH /redfish/v1/X": {},
        "POST /redfish/v1/X": some("other"),
    }
    with Service(tmp_path, replies | {"GET /redfish/v1/Systems": some("systems")}) as service:

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
        @given(
            _JSON,
            _JSON,
            st.just({"Members": [{"@odata.id": SYSTEM}]}) | _JSON,
            st.sampled_from(["read", "on", "boot", "sensors", "identify"]),
        )
        def nonsense(system: Any, other: Any, systems: Any, call: str) -> None:
            said.update(system=system, other=other, systems=systems)
            power = redfish(service.port, pace)
            calls: dict[str, Callable[[], object]] = {
                "read": power.read,
                "on": lambda: power.set("on"),
                "sensors": power.sensors,
                "identify": lambda: power.identify(1),
                "boot": lambda: power.boot("network", persistent=False, uefi=True),
            }
            assert isinstance(calls[call](), PowerDone | PowerFailed | SensorsRead)

        nonsense()
    assert not caplog.records
