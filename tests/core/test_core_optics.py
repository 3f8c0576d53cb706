"""What the optical module of a port measures, as a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from engine.core.hardware.inventory import Inventory
from engine.core.hardware.optics import Lane, Limits, Optics, Reading, reading

SR = Limits(rx_low=-13.9, rx_high=3.0, tx_low=-11.3, hot=75.0)


def one(rx: float | None, tx: float | None = -2.0, limits: Limits = SR, temperature: float | None = 38.0) -> Reading:
    found = reading(Optics(kind="SFP", temperature=temperature, lanes=(Lane(rx=rx, tx=tx),), limits=limits))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (one(-2.1), "good", "receives -2.1 dBm, sends -2 dBm, 38 °C"),
        (one(-28), "dark", "receive power -28 dBm: no light; clean or reseat"),
        (one(-40), "dark", "receive power -40 dBm: no light; clean or reseat"),
        (one(-28, limits=Limits()), "dark", "receive power -28 dBm: no light; clean or reseat"),
        (one(-20, limits=Limits()), "good", "receives -20 dBm, sends -2 dBm, 38 °C"),
        (one(-23.57, limits=Limits(rx_low=-30.0)), "good", "receives -23.57 dBm, sends -2 dBm, 38 °C"),
        (one(-31, limits=Limits(rx_low=-30.0)), "dark", "receive power -31 dBm: no light; clean or reseat"),
        (one(-14.5), "weak", "receive power -14.5 dBm: weak light, the limit is -13.9 dBm; clean or reseat"),
        (one(4.0), "strong", "receive power 4 dBm: too strong, the limit is 3 dBm; use an attenuator"),
        (one(-2, -20.0), "laser", "transmit power -20 dBm: the laser is weak or off, the limit is -11.3 dBm; replace the module"),
        (one(-2, temperature=80.0), "hot", "the module has 80 °C, the limit is 75 °C; check its cooling"),
        (one(None), "good", "sends -2 dBm, 38 °C"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 8 else None,
)
def test_the_sentence(found: Reading, state: str, words: str) -> None:
    assert (found.state, found.words) == (state, words)


def test_one_dark_lane_of_four() -> None:
    lanes = tuple(Lane(rx=rx, tx=-1.0) for rx in (-1.0, -1.2, -40.0, -1.1))
    found = reading(Optics(kind="QSFP28", lanes=lanes, limits=SR))
    assert found is not None
    assert found.words == "receive power -40 dBm on lane 3: no light; clean or reseat"


def test_copper_and_nothing() -> None:
    assert reading(None) is None
    assert reading(Optics(kind="SFP", lanes=(Lane(),))) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["lanes", "limits", "rx", "tx", "kind", "hot"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_machine_is_not_believed(told: Any) -> None:
    """Whatever it reports of a module: the port stays, and the module is either good to read or left out."""
    [nic] = Inventory({"nics": [{"name": "eno1", "mac": "", "link": True, "optics": told}]}).nics
    assert nic.name == "eno1"
    found = reading(nic.optics)
    assert found is None or len(found.words) < 200


@given(st.floats(-99, 99), st.floats(-99, 99), st.floats(-99, 99))
def test_less_light_is_never_better(rx: float, more: float, low: float) -> None:
    worst = ["dark", "weak", "good"]
    limits = Limits(rx_low=low)
    a, b = (one(value, limits=limits) for value in sorted((rx, more)))
    assert worst.index(a.state) <= worst.index(b.state)


def test_optics_survive_the_store() -> None:
    optics = Optics(kind="SFP", part="P", lanes=(Lane(rx=-2.0),), limits=SR)
    assert json.decode(json.encode(optics), type=Optics) == optics
