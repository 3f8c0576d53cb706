"""BIOS sets: which one a machine gets, and the difference between what its BIOS has and what is wanted."""

from __future__ import annotations

import fnmatch
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from engine.core.hardware.bios_sets import BiosComparison, BiosFamily, BiosSet, WantedBios, compare, family_of, wanted_bios
from engine.files.bios_file import read_families
from engine.files.mistakes import Mistakes
from engine.parts import BiosCondition, BiosDependency, BiosSetting
from engine.readers import redfish, redfish_tree
from engine.reasons import Reason, sentence

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "barclamps" / "bios" / "sets.yml"
sys.path.insert(0, str(ROOT / "tests" / "readers"))
from redfish_recordings import ALL, TREES, known  # noqa: E402 - of another folder of tests

DELL = BiosFamily(
    name="dell",
    products=("Dell* PowerEdge *",),
    sets={
        "default": BiosSet(name="default", settings={"LogicalProc": "Enabled"}, offered={"Turbo": "On"}),
        "Virtualization": BiosSet(name="Virtualization", inherits="default", settings={"Virt": "Enabled"}, offered={"LogicalProc": "Auto"}),
        "Storage": BiosSet(name="Storage", inherits="default", settings={"Virt": "Disabled"}),
        "Ring": BiosSet(name="Ring", inherits="Ring", settings={"A": 1}),
    },
)
R640 = BiosFamily(name="r640", products=("Dell* PowerEdge R640",), sets={})


def test_the_most_exact_family() -> None:
    assert family_of([DELL, R640], "Dell Inc.", "PowerEdge R640") is R640
    assert family_of([DELL, R640], "DELL", "poweredge r750") is DELL
    assert family_of([DELL, R640], "HPE", "ProLiant") is None


def want(asked: dict[str, str], **own: Any) -> WantedBios | Reason:
    return wanted_bios([DELL], "Dell", "PowerEdge R750", asked, own)


def test_a_set_inherits() -> None:
    found = want({"nova": "Virtualization"})
    assert isinstance(found, WantedBios)
    assert (found.settings, found.offered) == ({"Virt": "Enabled"}, {"LogicalProc": "Auto", "Turbo": "On"})
    assert (found.family, found.sets) == ("dell", ("default", "Virtualization"))
    assert want({}) == WantedBios()
    ring = want({"x": "Ring"})
    assert isinstance(ring, WantedBios)
    assert ring.settings == {"A": 1}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"nova": "Virtualization", "swift": "Storage"}, "BIOS setting LogicalProc is wanted as Enabled by swift and as Auto by nova"),
        ({"nova": "Gaming"}, "the family dell has no BIOS set Gaming, but Ring, Storage, Virtualization, default"),
    ],
)
def test_what_cannot_be_chosen(asked: dict[str, str], words: str) -> None:
    found = want(asked)
    assert isinstance(found, Reason)
    assert words in sentence(found)


def test_a_node_decides_a_conflict() -> None:
    found = want({"nova": "Virtualization", "swift": "Storage"}, Virt="Enabled", LogicalProc="Enabled")
    assert isinstance(found, WantedBios)
    assert found.settings == {"Virt": "Enabled", "LogicalProc": "Enabled"}
    assert wanted_bios([], "X", "Y", {"r": "default"}) == wanted_bios([DELL], "X", "Y", {"r": "default"})


SETTINGS = (
    BiosSetting(name="Virt", value="Disabled", type="choice", allowed=("Enabled", "Disabled"), reset=True),
    BiosSetting(name="Cores", value=0, type="number", least=0, most=28, step=2),
    BiosSetting(name="Quiet", value=True, type="flag", reset=False),
    BiosSetting(name="Name", value="a", type="text", most=4, pattern="[a-z]*"),
    BiosSetting(name="Model", value="R", type="text", readonly=True),
    BiosSetting(name="Turbo", value="On", pending="Off", type="choice", allowed=("On", "Off")),
    BiosSetting(name="SetupPassword", type="password"),
    BiosSetting(name="Advanced|CPU|Fast Boot", value="On"),
    BiosSetting(name="A|Port", value="On"),
    BiosSetting(name="B|Port", value="On"),
    BiosSetting(name="SR_IOV_0047", value="Disabled"),
)


def changed(**settings: Any) -> BiosComparison:
    return compare(WantedBios(settings=settings), SETTINGS)


def test_nothing_to_change_needs_no_reboot() -> None:
    found = changed(Virt="disabled", Cores="0", Quiet="true", Name="a", Model="R")
    assert (found.changes, found.refused, found.same, found.reboot, found.to_write) == ((), (), 5, False, {})


def test_changes_and_whether_they_need_a_reboot() -> None:
    found = changed(Virt="enabled", Cores=4)
    assert found.to_write == {"Virt": "Enabled", "Cores": 4}
    assert found.reboot
    assert not changed(Quiet=False).reboot
    assert changed(Quiet=False).to_write == {"Quiet": False}


def test_a_value_that_waits() -> None:
    """Wanted as it waits: only the reboot is missing. Wanted as it is: it must be written again, or it is lost."""
    waits = changed(Turbo="Off")
    assert (waits.to_write, waits.reboot) == ({}, True)
    assert changed(Turbo="On").to_write == {"Turbo": "On"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"Virt": "Maybe"}, "the BIOS setting Virt cannot be Maybe: it can be Enabled, Disabled"),
        ({"Cores": 3}, "it goes in steps of 2 from 0"),
        ({"Cores": 30}, "it can be from 0 to 28"),
        ({"Cores": True}, "it is a whole number"),
        ({"Quiet": "loud"}, "it is true or false"),
        ({"Name": "abcde"}, "it has from 0 to 4 characters"),
        ({"Name": "A1"}, "it must match [a-z]*"),
        ({"Model": "X"}, "the BIOS setting Model is R and cannot be changed: its registry says that it is read-only"),
        ({"SetupPassword": "geheim"}, "cannot be ***: passwords are not set by a set"),
        ({"Virtu": "Enabled"}, "this machine's BIOS has no setting Virtu; the nearest are Virt"),
        ({"Port": "Off"}, "the name Port means several settings of this machine's BIOS: A|Port, B|Port"),
        ({"Virt": "Enabled", "Vir*": "Disabled"}, "it is wanted as Enabled too"),
    ],
)
def test_refusals(settings: dict[str, Any], words: str) -> None:
    found = changed(**settings)
    assert words in " ".join(map(sentence, found.refused))
    assert found.to_write == {}
    assert not found.reboot
    assert "geheim" not in str(found)


def test_names_by_pattern_and_by_the_last_part() -> None:
    assert compare(WantedBios(settings={"SR_IOV_*": "Enabled"}), SETTINGS).to_write == {"SR_IOV_0047": "Enabled"}
    assert changed(**{"Fast Boot": "Off"}).to_write == {"Advanced|CPU|Fast Boot": "Off"}


def test_an_offered_setting_is_skipped_where_there_is_none() -> None:
    found = compare(WantedBios(settings={"Virt": "Enabled"}, offered={"Other": 1, "Cores": 99, "Quiet": False}), SETTINGS)
    assert found.to_write == {"Virt": "Enabled", "Quiet": False}
    assert found.skipped == ("Other", "Cores")


@pytest.mark.parametrize(
    ("dependency", "settings", "words"),
    [
        (BiosDependency(setting="Cores", property="ReadOnly", value=True, when=(BiosCondition(setting="Virt", value="Enabled"),)),
         {"Cores": 2, "Virt": "Enabled"}, "Virt EQU Enabled makes it read-only"),
        (BiosDependency(setting="Cores", property="ReadOnly", value=True, when=(BiosCondition(setting="Virt", value="Disabled"),)), {"Cores": 2, "Virt": "Enabled"}, ""),
        (BiosDependency(setting="Quiet", property="CurrentValue", value=False, when=(BiosCondition(setting="Virt", value="Enabled"),)),
         {"Quiet": True, "Virt": "Enabled"}, "the BIOS setting Quiet is wanted as True, and Virt EQU Enabled makes it False"),
        (BiosDependency(setting="Cores", property="UpperBound", value=8, when=(BiosCondition(setting="Virt", sign="NEQ", value="Disabled"),)),
         {"Cores": 10, "Virt": "Enabled"}, "makes its greatest value 8"),
        (BiosDependency(setting="Cores", property="GrayOut", value=True,
                        when=(BiosCondition(setting="Virt", value="Enabled"), BiosCondition(setting="Quiet", value=False))), {"Cores": 2, "Virt": "Enabled"}, ""),
        (BiosDependency(setting="Cores", property="GrayOut", value=True,
                        when=(BiosCondition(setting="Virt", value="x"), BiosCondition(setting="Cores", sign="GTR", value=1, either=True))), {"Cores": 2}, "makes it read-only"),
        (BiosDependency(setting="Cores", property="ReadOnly", value=True, when=(BiosCondition(setting="Nobody", value=1),)), {"Cores": 2}, ""),
    ],
)  # fmt: skip
def test_dependencies(dependency: BiosDependency, settings: dict[str, Any], words: str) -> None:
    found = compare(WantedBios(settings=settings), SETTINGS, (dependency,))
    assert bool(found.refused) == bool(words)
    assert words in " ".join(map(sentence, found.refused))


values = st.one_of(st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["Enabled", "On", "0", "true"]))


@given(st.dictionaries(st.sampled_from([one.name for one in SETTINGS] + ["Nobody", "*"]), values, max_size=6))
def test_what_was_written_is_not_written_again(settings: dict[str, Any]) -> None:
    """Applied and read back, the same wish changes nothing and needs no reboot."""
    found = compare(WantedBios(offered=settings), SETTINGS)
    after = [structs.replace(one, value=found.to_write.get(one.name, one.value)) for one in SETTINGS if one.name != "Turbo"]
    if "Turbo" not in settings:
        again = compare(WantedBios(offered=settings), after)
        assert not again.to_write
        assert not again.reboot


# -- the file, and what is shipped --


def read(text: str, folder: Path) -> tuple[tuple[BiosFamily, ...], list[str]]:
    file = folder / "sets.yml"
    file.write_text(text)
    mistakes = Mistakes()
    return read_families(file, mistakes), [str(one) for one in mistakes.found]


def test_a_file_of_sets(tmp_path: Path) -> None:
    text = "families:\n  x:\n    product: [A *]\n    sets:\n      d:\n        settings: {S: 1, T: true, U: on}\n"
    (family,), mistakes = read(text, tmp_path)
    assert not mistakes
    assert family.sets["d"].settings == {"S": 1, "T": True, "U": "on"}


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ("{a: {inherits: b}}", "set to inherit from"),
        ("{a: {inherits: b}, b: {inherits: a}}", "without a circle"),
        ("{a: {settings: {X: [1]}}}", "a word, a whole number, true or false"),
        ("{a: {settings: {X: 1}, where-offered: {X: 2}}}", "only once"),
        ("{a: {setings: {}}}", "setings"),
        ("{a: {settings: {'$(x)': 1}}}", "the name of a BIOS setting"),
    ],
)
def test_mistakes_in_a_file(sets: str, words: str, tmp_path: Path) -> None:
    _, mistakes = read(f"families: {{f: {{product: [A *], sets: {sets}}}}}\n", tmp_path)
    assert words in " ".join(mistakes)


def shipped() -> tuple[BiosFamily, ...]:
    mistakes = Mistakes()
    found = read_families(SHIPPED, mistakes)
    mistakes.end()
    return found


def test_the_shipped_sets() -> None:
    """Each family has the sets that a plan may ask for on any machine."""
    for family in shipped():
        assert {"default", "Virtualization", "Storage"} <= family.sets.keys(), family.name


@known
def test_each_shipped_setting_was_seen() -> None:
    """In the recorded BIOS resources: each name of a family's sets with this very value."""
    seen: set[tuple[str, Any]] = set()
    for one in ALL:
        body = json.loads(one.text) if one.text.lstrip().startswith("{") else {}
        if "Bios" in str(body.get("@odata.type")):
            seen |= {(setting.name, setting.value) for setting in redfish.read(one.text).settings}
    bad = []
    for family in shipped():
        for one_set in family.sets.values():
            for name, value in {**one_set.settings, **one_set.offered}.items():
                if not any(known == value and fnmatch.fnmatchcase(setting, name) for setting, known in seen):
                    bad.append((family.name, name, value))
    assert not bad


@known
@pytest.mark.parametrize(
    ("machine", "family"),
    [
        ("mockups-dell", "dell-poweredge"),
        ("mockups-hpe", "hpe-proliant"),
        ("mockups-lenovo", "lenovo-thinksystem"),
        ("mockups-supermicro", "supermicro"),
    ],
)
def test_recorded_machines_are_ready_for_virtualization(machine: str, family: str) -> None:
    """They were recorded in clouds: their BIOS has what the set wants, and nothing is refused or written."""
    parts = redfish_tree.read_tree(TREES[machine])
    assert parts.system is not None
    wanted = wanted_bios(shipped(), parts.system.vendor, parts.system.model, {"nova-compute": "Virtualization"})
    assert isinstance(wanted, WantedBios)
    assert wanted.family == family
    found = compare(wanted, parts.settings, parts.dependencies)
    assert found.refused == ()
    assert found.same >= 3
    assert found.to_write == {}
    other = compare(WantedBios(offered=dict.fromkeys(wanted.offered, "Nonsense")), parts.settings)
    assert len(other.to_write) + len(other.skipped) == len(wanted.offered)
