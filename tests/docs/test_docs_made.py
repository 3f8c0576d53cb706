"""The pages of `docs/` that come from tables are current, and each key of a table has its sentence; links of all pages lead somewhere."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import make

from engine.plan import FACTS
from engine.racks.bmc.redfish_moods import ODDITIES
from engine.racks.scenario import FAULTS, MOODS, Happening

ROOT = make.ROOT
READ = sorted([*make.DOCS.glob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", make.PAGES)
def test_a_page_is_current(page: str) -> None:
    assert (make.DOCS / page).read_text(encoding="utf-8") == make.PAGES[page](), "run `make reference`"


def test_each_key_has_a_sentence_and_each_sentence_a_key() -> None:
    said = {table: set(keys) for table, keys in make.SAYS.items()}
    assert said["plan"] == set(make.PLAN_KEYS)
    assert said["facts"] == set(FACTS)
    assert said["faults"] == set(FAULTS)
    assert said["moods"] == set(MOODS) - set(ODDITIES)
    assert said["happening"] == set(Happening.__struct_fields__)
    assert said["console"] == {one.name for one in msgspec.structs.fields(make.Preferences)}
    for path, record in make.RECORDS:
        assert said[path] == {one.name for one in msgspec.structs.fields(record)} - make.BY_POSITION.get(path, set())


@pytest.mark.parametrize("name", make.PICTURES)
def test_the_picture_is_the_console_s(name: str) -> None:
    """Its texts are. Where they stand and in which colours, `tests/console/test_console_svg.py` compares for the same rack."""

    def texts(svg: str) -> list[str]:
        return re.findall(r">([^<>]+)</text>", svg)

    kept = (make.DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert texts(asyncio.run(make.picture(name))) == texts(kept), "run `make pictures`"
    assert len(texts(kept)) > 20


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = [one for one in LINK.findall(prose) if "://" not in one]
    assert [one for one in targets if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Paths below the project's folders, in backquotes. The changelog names what was, so it is left out."""
    if page.name == "CHANGELOG.md":
        pytest.skip("it may name files that are gone")
    found = re.findall(r"`((?:engine|crowbar_tui|tests|docs|images|barclamps)/[A-Za-z0-9_./-]+)`", page.read_text(encoding="utf-8"))
    assert [one for one in found if not re.search(r"[A-Z]{4}", one) and not (ROOT / one).exists()] == []


def test_the_version_has_its_entry_in_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    heads = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert heads[:2] == ["Unreleased", version]


MADE_ELSEWHERE = ("reasons.md", "verbs.md", "states.md", "attributes.md", "benchmarks.md")
"""Pages whose words stand in tables of the program, or are figures."""


@pytest.mark.parametrize("page", [page for page in READ if page.name not in MADE_ELSEWHERE], ids=lambda page: page.name)
def test_sentences_are_short(page: Path) -> None:
    """At most 25 words. Code blocks do not count; a word in backquotes is one word; a list item and a cell begin a sentence."""
    text = re.sub(r"```.*?```|^    .*?$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    entries = re.split(r"\n\n|\n(?=[*#-] |[0-9]+\. )|\|", re.sub(r"`[^`]*`", "x", text))
    sentences = [one for entry in entries for one in re.split(r"(?<=[.:!?])\s", " ".join(entry.split()))]
    assert [one for one in sentences if len(one.split()) > 25] == []


def test_each_folder_of_the_engine_has_its_tests() -> None:
    """CONTRIBUTING's table names each folder, or one below it."""
    rows = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Tests by area\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(engine/\w+)", rows.replace("| run |", "")))
    folders = {f"engine/{one.parent.name}" for one in (ROOT / "engine").glob("*/__init__.py")}
    assert folders - named == set()


# -- CONTRIBUTING: where to add something ----------------------------------------------------------------------------

ITEM = re.compile(r"^(?:\d+\.|\*) (.+(?:\n   .+)*)", re.M)
QUOTED = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?$|\w+\.py$")
THING = re.compile(r"_?[A-Za-z]\w*")


def file_lists() -> dict[str, str]:
    """Heading -> text, of the part about adding something."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## How to add something\n")[2].partition("\n## ")[0]
    parts = re.split(r"^### (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named(item: str) -> tuple[list[Path], list[str]]:
    """The files of an entry, and the things that it says are in them: functions, classes, tables. A bare file is beside the one before it."""
    places: list[Path] = []
    things: list[str] = []
    folder = Path()
    for word in QUOTED.findall(item):
        bare, _, key = word.partition("[")
        if PLACE.match(word):
            places.append(folder / word if "/" not in word else Path(word))
            folder = Path(word) if word.endswith("/") else places[-1].parent
        elif THING.fullmatch(bare):
            things += [bare, *re.findall(r'"(\w+)"', key)]
    return places, things


def defines(file: Path, thing: str) -> bool:
    text = file.read_text(encoding="utf-8")
    return re.search(rf'^\s*(?:async )?(?:def|class) {thing}\b|^\s*{thing}\b\s*(?::[^=]+)?=|^\s*"{thing}": ', text, re.M) is not None


CHANGES = file_lists()


def test_every_kind_of_change_has_its_list() -> None:
    wanted = "DHCP option, reason, verb, page, barclamp, jig, image, BMC quirk, fault, leases, plan key, version"
    told = " ".join(CHANGES) + " ".join(CHANGES.values())
    assert [one for one in wanted.split(", ") if one not in told] == []
    assert [head for head, text in CHANGES.items() if not ITEM.findall(text)] == []


@pytest.mark.parametrize("head", CHANGES)
def test_the_places_of_a_change_are_there(head: str) -> None:
    """Each file is there, and each thing that an entry names is in a file of that entry."""
    wrong = []
    for item in ITEM.findall(CHANGES[head]):
        places, things = named(item)
        there = [ROOT / place for place in places if not re.search(r"[A-Z]{4}", str(place))]
        wrong += [f"{place} is not there" for place in there if not place.exists()]
        files = [one for one in there if one.suffix == ".py" and one.exists()]
        wrong += [f"{item.splitlines()[0]}: no {thing}" for thing in things if not any(defines(file, thing) for file in files)]
    assert wrong == []


def test_a_wrong_place_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        'A = 1\nB: dict[str, int] = {}\nclass C:\n    d: int = 1\n    def e(self) -> None: ...\nF = {\n    "g": 1}\n'
    )
    assert [one for one in "A B C d e F g h".split() if not defines(tmp_path / "x.py", one)] == ["h"]
    assert named('`engine/a.py`: a row in `T["k"]`, `_f`; or `b.py`; not `like:`') == (
        [Path("engine/a.py"), Path("engine/b.py")],
        ["T", "k", "_f"],
    )
