"""What a delegate refuses: wishes that no LUN can be, removals that were not approved, files that lie, and a second delegate."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import Any

import pytest
from san_lab import MIB, TOOL, San, lun

sys.path.insert(0, str(TOOL))

import san_model as model

SECRETS = {"n1": "Abcdefgh12345678"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([{"name": "../x", "size": MIB}], "a name has at most 32"),
        ([{"name": "a,b", "size": MIB}], "a name has at most 32"),
        ([{"name": 7, "size": MIB}], "a name has at most 32"),
        ([{"name": "a", "size": True}], "bytes"),
        ([{"name": "a", "size": "1"}], "bytes"),
        ([{"name": "a", "size": 1 << 60}], "bytes"),
        ([{"name": "a", "size": MIB}, {"name": "a", "size": MIB}], "twice"),
        ([{"name": f"a{i}", "size": MIB} for i in range(65)], "at most 64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wish_that_no_lun_can_be(value: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(model.SanError, match=said):
        model.wishes([{"node": "n1.r1.test", "value": value}], "san1", True)


def test_a_name_of_a_node_with_other_signs_is_refused() -> None:
    with pytest.raises(model.SanError, match="no name of a node"):
        model.wishes([{"node": "n1 --force", "value": [lun()]}], "san1", True)


def test_luns_of_another_san_are_not_this_ones() -> None:
    told = [{"node": "n1.r1.test", "value": [lun("a", san="san2"), lun("b"), lun("c", san="san1")]}, {"node": "n2.r1.test", "value": None}]
    assert [one.name for one in model.wishes(told, "san1", True)] == ["b", "c"]
    assert [one.name for one in model.wishes(told, "san1", False)] == ["c"]


def test_a_lun_keeps_its_size() -> None:
    wanted = model.wishes([{"node": "n1.r1.test", "value": [lun(mib=4)]}], "san1", True)
    luns = model.admitted({}, wanted)
    with pytest.raises(model.SanError, match="keeps its size"):
        model.admitted(luns, model.wishes([{"node": "n1.r1.test", "value": [lun(mib=8)]}], "san1", True))


def test_a_number_is_given_once() -> None:
    wanted = model.wishes([{"node": "n1.r1.test", "value": [lun("a"), lun("b")]}], "san1", True)
    luns = model.admitted({}, wanted)
    more = model.wishes([{"node": "n1.r1.test", "value": [lun("b"), lun("c")]}], "san1", True)
    assert [model.admitted(luns, more)[f"n1/{name}"].number for name in "abc"] == [1, 2, 3], "that of a kept LUN is not taken"


@pytest.mark.parametrize("secret", [None, "", "short", "with,comma-with,comma", "spaces are not fit", "x" * 65])
def test_an_unfit_secret_exposes_nothing(secret: str | None) -> None:
    wanted = model.wishes([{"node": "n1.r1.test", "value": [lun()]}], "san1", True)
    with pytest.raises(model.SanError, match="no fit CHAP secret of n1"):
        model.exports("san1", model.admitted({}, wanted), wanted, {"n1": secret}, lambda one: f"/{one.name}")


def test_only_what_was_approved_is_removed() -> None:
    wanted = model.wishes([{"node": "n1.r1.test", "value": [lun("a"), lun("b")]}], "san1", True)
    luns = model.admitted({}, wanted)
    serial = luns["n1/a"].serial
    assert [one.id for one in model.removable(luns, wanted[1:], [{"lun": "n1/a", "serial": serial}], set())] == ["n1/a"]
    for doomed, still, exposed, said in (
        ({"lun": "n1/a", "serial": luns["n1/b"].serial}, wanted[1:], set(), "not"),
        ({"lun": "n1/a", "serial": serial}, wanted, set(), "wished by its node"),
        ({"lun": "n1/a", "serial": serial}, wanted[1:], {serial}, "still exposed"),
    ):
        with pytest.raises(model.SanError, match=said):
            model.removable(luns, still, [doomed], exposed)
    assert model.removable(luns, [], [{"lun": "n9/z", "serial": "0" * 32}], set()) == []


def test_a_second_delegate_is_refused(tmp_path: Path) -> None:
    san = San(tmp_path, simulated="127.0.0.1:9")
    folder = tmp_path / "state/san"
    folder.mkdir(parents=True)
    with open(folder / ".lock", "w", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = san.run("run", {"n1": [lun()]})
    assert done.code == 1
    assert "another delegate works on this SAN now" in done.err


@pytest.mark.parametrize("text", ["{", "[1]", '[{"node": "n1"}]', ""], ids=["cut", "number", "half", "empty"])
def test_a_broken_list_of_luns_stops_everything(tmp_path: Path, text: str) -> None:
    """Else LUNs with data would be made anew."""
    san = San(tmp_path, simulated="127.0.0.1:9")
    folder = tmp_path / "state/san"
    folder.mkdir(parents=True)
    (folder / "san1.luns.json").write_text(text)
    done = san.run("run", {"n1": [lun()]})
    assert done.code in (1, 2)
    assert done.err.startswith("san: ")
    assert (folder / "san1.luns.json").read_text() == text


def test_a_pool_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    san = San(tmp_path)
    san.access["san1"]["pool"] = str(tmp_path / "mount")
    done = san.run("run", {"n1": [lun()]})
    assert done.code == 1
    assert "is not there: mount it" in done.err
    assert not (tmp_path / "mount").exists()


def test_the_kernel_without_lio_is_named(tmp_path: Path) -> None:
    if Path("/sys/kernel/config/target").exists():
        pytest.skip("this kernel has LIO")
    done = San(tmp_path, driver="lio").run("run", {"n1": [lun()]})
    assert done.code == 1
    assert "this kernel has no LIO" in done.err
