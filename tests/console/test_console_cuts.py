"""Every shown text that ends in a cut, over all screens: none is a name, a reason, a key, a serial or a command.

A name that is too long is cut in the middle, so it does not end in a cut; from 160 columns no name is cut at all. What the next key depends
on is wrapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import worlds
from driving import SIZES, still
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from still import Still

from crowbar_tui.console import names, styled
from crowbar_tui.console.actions import POWER, ROLE, for_nodes
from crowbar_tui.console.frame import draw
from crowbar_tui.console.keys import EVERYWHERE, commands
from crowbar_tui.console.names import apart
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.snapshot import Said
from engine.api.views import node_page, role_row
from engine.core.world.work import Work

LONG = "rack07-hypervisor-storage-{}-with-a-name-that-somebody-likes"
LABELS = {
    "short": "",
    "discovered": "d52-54-01-00-00-0{}",
    "long": "compute-storage-hypervisor-{}-r07",
    "longest": LONG,
}
PAGES = [(digit, keys) for digit in "12345678" for keys in ("", "down down", "tab")]
"""A digit, and the keys that are pressed before the next look."""
NODE = (
    "1 down down enter", "o", "o", "w", "escape l", "escape P", "escape A", "down enter", "escape escape n", "escape ?", "pagedown", "pagedown",
    "escape .", "down down", "escape :", "c o m p", "escape p", "escape I", "escape X", "escape D", "escape t", "escape M", "escape a", "escape f",
    "escape b", "escape escape /", "r o b", "enter", "escape 5 v", "enter", "b", "escape escape escape p", "escape Q", "escape 1 space space a",
)  # fmt: skip
LOOKS = [*(f"{digit} {keys}" for digit, keys in PAGES), *NODE]
Cut = tuple[str, int, int]


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Cut]]:
    """All texts that do not fit: the text, and the cells that are left of its begin and its end."""
    seen: list[Cut] = []
    real = styled.marked

    def marked(text: str, head: int, tail: int = 0) -> str:
        seen.append((text, head, tail))
        return real(text, head, tail)

    names._apart.cache_clear()
    monkeypatch.setattr(styled, "marked", marked)
    monkeypatch.setattr(names, "marked", marked)
    yield seen
    names._apart.cache_clear()


def renamed(name: str, label: str) -> tuple[Still, float]:
    """A world whose nodes have such names."""
    source, at = still(name)
    work = Work(worlds.load(name)[0])
    for number, node in enumerate(sorted(source.world.nodes.values(), key=lambda n: n.id)):
        if label and node.kind.value == "server":
            work.put_node(replace(node, name=f"{label.format(number)}.r1.example.net"))
    source.world = work.finish()
    return source, at


def kept(session: Session) -> tuple[set[str], set[str]]:
    """Words of the world that may not be cut, and sentences."""
    world = session.world
    words = {n.name for n in world.nodes.values()} | {n.name.split(".")[0] for n in world.nodes.values()}
    words |= {mac for n in world.nodes.values() for mac in n.macs} | set(world.sightings)
    words |= {r.role for r in world.node_roles.values()} | {key for key, _ in EVERYWHERE}
    sentences: set[str] = set()
    for node in world.nodes.values():
        page = node_page(world, node, session.links())
        words |= {page.serial, *(d.serial for d in page.disks), *(d.name for d in page.disks), *(n.name for n in page.nics)}
        sentences |= {page.row.why.sentence} if page.row.why is not None else set()
    for link in session.links().links:
        words |= {link.switch, link.port, link.plan, link.nic, link.link}
        sentences |= {link.why}
    for role in world.node_roles.values():
        row = role_row(world, role)
        sentences |= {why.sentence for why in (*row.why, *row.findings)}
    return words - {""}, {session.say(s) for s in sentences if len(s) > 12}


def keys_of(session: Session) -> set[str]:
    """Keys, their words, and commands that the screen offers now."""
    hints = session.page.hints()
    words = {h.word for h in hints} | {h.key for h in hints} | {c.name for c in commands(session)}
    return words | {a.word for a in (*POWER, *ROLE, *for_nodes(session))}


def wrong(cut: Cut, words: set[str], sentences: set[str], columns: int) -> str:
    """What a cut takes away that is precious. Empty: nothing."""
    text, head, tail = cut
    whole = text.strip()
    if tail or not head:
        return whole if columns >= 160 and whole in words else ""
    if whole in words or any(s in text or whole in s for s in sentences if len(whole) > 12):
        return whole
    for found in re.finditer(r"\S+", text):
        word = found[0].strip(",;:()")
        if found.start() < head < found.end() and (word in words or re.match(r"crowbar\b", text[max(head - 30, 0) :])):
            return word
    return ""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("faulty", "short"),
        ("faulty", "longest"),
        ("asks", "long"),
        *(pytest.param(name, label, marks=pytest.mark.slow) for name in ("faulty", "working", "asks", "ready") for label in LABELS),
    ],
)
def test_no_shown_text_that_matters_ends_in_a_cut(name: str, label: str, size: tuple[int, int], cuts: list[Cut]) -> None:
    source, at = renamed(name, LABELS[label])
    session = new_session(source.snapshot(), wall=lambda: at, where="/var/lib/crowbar")

    known, sentences = kept(session)
    found: dict[str, str] = {}
    listed: set[str] = set()
    for keys in LOOKS:
        for key in keys.split():
            session.press(key)
        cuts.clear()
        draw(session, *size)
        words = known | keys_of(session) if cuts else known
        for cut in list(cuts):
            listed.add(cut[0])
            if lost := wrong(cut, words, sentences, size[0]):
                found.setdefault(f"{session.page.ident()} {keys}: {lost}", cut[0])
    print("\n".join(sorted(listed)))
    assert found == {}


def test_an_answer_and_the_next_step_are_whole(cuts: list[Cut]) -> None:
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: at, where="/var/lib/crowbar")
    words = "the engine refused: " + "a long cause " * 9
    session.note(Said(False, words.strip(), "press r to try it again"))
    text = " ".join(" ".join(styled.plain(one) for one in draw(session, 80, 24)).split())
    assert f"! {words}".strip().rstrip(":") in text
    assert "press r to try it again" in text
    assert cuts == []


NAMES = st.lists(st.text(alphabet="abc01-", min_size=1, max_size=24), min_size=1, max_size=8, unique=True)


@given(NAMES, st.integers(3, 30))
def test_names_fit_and_keep_their_order(found: list[str], room: int) -> None:
    texts = apart(found, room)
    assert set(texts) == set(found)
    assert all(len(text) <= room for text in texts.values())
    assert all(texts[name] == name for name in found if max(len(n) for n in found) <= room)


@pytest.mark.parametrize(
    ("found", "room"),
    [
        ([f"d52-54-01-00-00-0{i}" for i in range(9)], 9),
        ([f"compute-storage-{i:03}" for i in range(300)], 9),
        ([f"rack{i:02}-hypervisor-with-a-long-tail" for i in range(40)], 10),
        ([f"a-name-with-the-number-{i:02}-in-the-middle-of-it" for i in range(40)], 8),
        (["compute-storage-01", "compute-storage-01-bmc", "compute-storage-02"], 9),
    ],
)
def test_the_part_that_differs_is_never_cut(found: list[str], room: int) -> None:
    texts = apart(found, room)
    assert len(set(texts.values())) == len(found)
    assert all(len(text) <= room for text in texts.values())


def test_a_cut_is_found() -> None:
    """The test itself: what it would say of a name, of a reason and of a harmless text."""
    words, sentences = {"node-14", "raid-configure"}, {"the BMC of node-14 at 10.0.1.1 failed: no answer"}
    assert wrong(("node-14", 4, 0), words, sentences, 80) == "node-14"
    assert wrong(("retry raid-configure now", 12, 0), words, sentences, 80) == "raid-configure"
    assert wrong(("the BMC of node-14 at 10.0.1.1 failed: no answer", 20, 0), words, sentences, 80) != ""
    assert wrong(("node-14", 2, 3), words, sentences, 80) == ""
    assert wrong(("node-14", 2, 3), words, sentences, 160) == "node-14"
    assert wrong(("image 412 of 780 MB", 9, 0), words, sentences, 80) == ""
