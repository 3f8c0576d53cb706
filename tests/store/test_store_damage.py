"""300 stores, each damaged another way: one opens with exactly what was in it, or is refused in one sentence. Never another world."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.events import Happened, Operate
from engine.model import Deployment, Meta, Node, NodeRole, State, Value
from engine.store.file import FILE, PROMISED
from engine.store.store import Change, Store, StoreError

DAMAGES = 300
WAL = f"{FILE}-wal"


def batch(number: int) -> list[tuple[Happened, list[Change]]]:
    node = Node(id=f"n{number % 40}", name=f"node-{number % 40}.rack", serial=f"S{number}", boots=number, macs=("52:54:00:00:00:01",))
    role = NodeRole(
        node=node.id,
        role=f"role-{number % 7}",
        deployment="cloud",
        state=State.ACTIVE,
        gave={"disks": [{"name": "sda", "size": number}]},
        started=1.5,
    )
    value = Value(layer="operator", scope=node.id, name="root-disk", value={"number": number, "text": "x" * (number * 37 % 3000)})
    changes: list[Change] = [
        ("nodes", node.id, node),
        ("node_roles", role.key, role),
        ("attributes", value.key, value),
        ("meta", (), Meta(now=float(number), nodes=40)),
    ]
    if number % 5 == 0:
        changes.append(("attributes", ("operator", f"n{(number + 3) % 40}", "root-disk"), None))
    return [(Happened(1.7e9 + number, float(number), Operate(who="op", verb="retry", node=node.id)), changes)]


def content(store: Store) -> Any:
    return store.load(), store.journal(limit=10_000), store.base(), store.seq, store.rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A store as a killed engine leaves it: some of it in the write-ahead log, some of the journal folded."""
    made, kept = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("kept")
    with Store.open(made) as store:
        store.commit([(Happened(1.0, 0.5, Operate(who="op", verb="x", node="")), [("deployments", "cloud", Deployment(name="cloud"))])])
        for number in range(1, 80):
            store.commit(batch(number))
        store.prune(50)
        store._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(80, 100):
            store.commit(batch(number))
        for name in (FILE, WAL, PROMISED):
            shutil.copy(made / name, kept / name)
        return kept, content(store)


@pytest.fixture()
def scratch(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a folder: 600 stores are synced and thrown away."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as name:
        yield Path(name)


def flipped(path: Path, random: Random, times: int = 1) -> str:
    body = bytearray(path.read_bytes())
    places = [random.randrange(len(body) * 8) for _ in range(times)]
    for place in places:
        body[place // 8] ^= 1 << place % 8
    path.write_bytes(body)
    return f"bits {places}"


def a_bit(store: Path, random: Random) -> str:
    return flipped(store / FILE, random)


def some_bits(store: Path, random: Random) -> str:
    return flipped(store / FILE, random, random.randrange(2, 40))


def in_a_text(store: Path, random: Random) -> str:
    """A flip inside a row that SQLite takes for a good one: a letter becomes another letter."""
    body = bytearray((store / FILE).read_bytes())
    place = 0
    while not (chr(body[place]) in "bcdefg23456" and chr(body[place - 1]).isalnum()):
        place = random.randrange(4096, len(body))
    body[place] ^= 1
    (store / FILE).write_bytes(body)
    return f"byte {place}"


def in_the_header(store: Path, random: Random) -> str:
    body = bytearray((store / FILE).read_bytes())
    place = random.randrange(100 * 8)
    body[place // 8] ^= 1 << place % 8
    (store / FILE).write_bytes(body)
    return f"bit {place}"


def a_page(store: Path, random: Random) -> str:
    body = bytearray((store / FILE).read_bytes())
    page = random.randrange(len(body) // 4096)
    body[page * 4096 : page * 4096 + 4096] = bytes(4096)
    (store / FILE).write_bytes(body)
    return f"page {page + 1} zeroed"


def two_pages(store: Path, random: Random) -> str:
    body = bytearray((store / FILE).read_bytes())
    one, two = (random.randrange(len(body) // 4096) * 4096 for _ in range(2))
    body[one : one + 4096], body[two : two + 4096] = body[two : two + 4096], body[one : one + 4096]
    (store / FILE).write_bytes(body)
    return f"pages at {one} and {two} exchanged"


def cut(store: Path, random: Random) -> str:
    size = random.randrange((store / FILE).stat().st_size)
    with (store / FILE).open("r+b") as file:
        file.truncate(size)
    return f"cut to {size}"


def emptied(store: Path, random: Random) -> str:
    (store / FILE).write_bytes(b"")
    return "0 bytes"


def text(store: Path, random: Random) -> str:
    (store / FILE).write_text("this is a letter, and no store\n" * random.randrange(1, 5000))
    return "text"


def of_the_log(store: Path, random: Random) -> str:
    return flipped(store / WAL, random)


def log_cut(store: Path, random: Random) -> str:
    size = random.randrange((store / WAL).stat().st_size)
    with (store / WAL).open("r+b") as file:
        file.truncate(size)
    return f"log cut to {size}"


def log_page(store: Path, random: Random) -> str:
    body = bytearray((store / WAL).read_bytes())
    place = random.randrange(len(body) // 4096) * 4096
    body[place : place + 4096] = bytes(4096)
    (store / WAL).write_bytes(body[: (store / WAL).stat().st_size])
    return f"log zeroed at {place}"


def log_gone(store: Path, random: Random) -> str:
    (store / WAL).unlink()
    return "log deleted"


def main_gone(store: Path, random: Random) -> str:
    (store / FILE).unlink()
    return "store.db deleted"


def of_what_was_promised(store: Path, random: Random) -> str:
    return flipped(store / PROMISED, random)


WAYS: list[tuple[int, Callable[[Path, Random], str]]] = [
    (60, a_bit),
    (40, some_bits),
    (50, in_a_text),
    (30, in_the_header),
    (30, a_page),
    (15, two_pages),
    (20, cut),
    (1, emptied),
    (4, text),
    (20, of_the_log),
    (14, log_cut),
    (10, log_page),
    (1, log_gone),
    (1, main_gone),
    (4, of_what_was_promised),
]


def test_there_are_300() -> None:
    assert sum(many for many, _ in WAYS) == DAMAGES


@pytest.mark.parametrize("number", range(len(WAYS)), ids=[way.__name__ for _, way in WAYS])
def test_a_damaged_store_is_what_it_was_or_is_refused(whole: tuple[Path, Any], scratch: Path, number: int) -> None:
    kept, expected = whole
    many, way = WAYS[number]
    random = Random(20261128 + number)
    seen: Counter[str] = Counter()
    for i in range(many):
        for opener in (Store.read, Store.open):
            store = scratch / f"{i}-{opener.__name__}"
            shutil.copytree(kept, store)
            state = random.getstate()
            told = way(store, random)
            if opener is Store.read:
                random.setstate(state)  # the same damage for both
            before = {path.name: path.read_bytes() for path in store.iterdir() if path.name in (FILE, WAL)}
            try:
                with opener(store) as opened:
                    found = content(opened)
                    assert found == expected, f"{way.__name__}: {told}: another world"
                    if opener is Store.open:
                        assert opened.examine() == []
                        opened.commit(batch(101))
                seen[f"{opener.__name__} opens"] += 1
            except StoreError as error:
                one = str(error)
                assert "\n" not in one
                assert ": " in one, one
                assert len(one) < 700, one
                seen[f"{opener.__name__} refuses"] += 1
                if opener is Store.open and "row" not in one:
                    after = {path.name: path.read_bytes() for path in store.iterdir() if path.name in (FILE, WAL)}
                    assert after == before, f"{way.__name__}: {told}: changed by the start that refused it"
            shutil.rmtree(store)
    assert sum(seen.values()) == 2 * many
    if way in (in_a_text, a_page, emptied, text, log_gone, main_gone):
        assert seen["open refuses"] > many // 2
