"""Hardware records as files: the present one, the earlier ones, and what a spoilt file costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.parts import Dimm, Drive, Parts
from engine.store.hardware import MOST_EARLIER, HardwareRecord, HardwareShelf, digest

ONE = Parts(dimms=(Dimm(place="A1", serial="D1"), Dimm(place="A2", serial="D2")), drives=(Drive(serial="X", hours=1),))
LESS = replace(ONE, dimms=ONE.dimms[:1])


def record(at: float, parts: Parts, sum: str = "") -> HardwareRecord:
    return HardwareRecord(at=at, source="in-band", parts=parts, sum=sum)


def test_a_look_is_kept_and_the_one_before_it_when_something_changed(tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    assert shelf.put("n1", record(100, ONE), b"raw") == ()
    assert shelf.put("n1", record(200, replace(ONE, drives=(Drive(serial="X", hours=9),)))) == ()
    assert shelf.earlier("n1") == [], "hours run by themselves"
    assert [str(one) for one in shelf.put("n1", record(300, LESS))] == ["DIMM A2 (serial D2) is gone"]
    now = shelf.now("n1")
    assert now is not None
    assert (now.at, now.parts, [one.what for one in now.changes]) == (300, LESS, ["gone"])
    assert shelf.earlier("n1") == [200]
    assert shelf.raw("n1") == b"raw"
    assert [(at, found.at if (found := shelf.before("n1", at)) else None) for at in (50, 250, 350)] == [(50, None), (250, 200), (350, 300)]


def test_the_same_look_twice_is_one_look(tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    shelf.put("n1", record(100, ONE, sum="a"), b"1")
    first = shelf.put("n1", record(200, LESS, sum="b"), b"2")
    assert shelf.put("n1", record(201, LESS, sum="b"), b"2") == first != ()
    assert shelf.put("n1", record(300, LESS, sum="c"), b"3") == ()


def test_few_earlier_ones_are_kept(tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    for at in range(MOST_EARLIER + 10):
        shelf.put("n1", record(at, ONE if at % 2 else LESS))
    assert len(shelf.earlier("n1")) == MOST_EARLIER
    assert shelf.earlier("n1")[0] == MOST_EARLIER + 8


@pytest.mark.parametrize("spoilt", [b"", b"{", b'{"at": "x"}', b"[" * 100_000])
def test_a_spoilt_record_counts_as_absent_and_is_written_anew(spoilt: bytes, tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    shelf.put("n1", record(100, ONE))
    (tmp_path / "hardware/n1/in-band.json").write_bytes(spoilt)
    assert shelf.now("n1") is None
    assert dict(shelf.all()) == {}
    shelf.put("n1", record(200, ONE))
    assert dict(shelf.all()) == {"n1": record(200, ONE)}


@pytest.mark.parametrize("node", ["", "..", "../x", "a/b", ".hidden", "x" * 200])
def test_a_node_names_a_folder_or_nothing(node: str, tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    with pytest.raises(ValueError, match="name no file"):
        shelf.put(node, record(1, ONE))
    assert shelf.now(node) is None
    assert shelf.raw(node) == b""
    assert shelf.earlier(node) == []
    assert list(tmp_path.iterdir()) == []


def test_the_digest_follows_what_lasts() -> None:
    assert digest(ONE) == digest(replace(ONE, drives=(Drive(serial="X", hours=7),), odd=("x",)))
    assert digest(ONE) != digest(LESS)


def test_forgotten(tmp_path: Path) -> None:
    shelf = HardwareShelf(tmp_path)
    shelf.put("n1", record(1, ONE))
    shelf.forget("n1")
    assert shelf.now("n1") is None
