"""The attacker's goal: a file from a stranger keeps the engine or a console busy for ever, or fills memory and disk."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from engine.netboot.templates import LARGEST, LONGEST, Template, TemplateWrong
from engine.store.errors import StoreError
from engine.store.journal_file import SMALL, JournalFile

IMAGES = Path(__file__).parents[2] / "images"
VALUES = {"a": "x" * 200, "some": ["p" * 90] * 1000, "mirror": {"url": "http://m"}, "system": "fedora-43"}
LOOP = "{% for one in some %}"
END = "{% endfor %}"

HOSTILE = {
    "loops in loops": LOOP * 5 + "{{ one }}" + END * 5,
    "a loop over numbers": "{% for one in range(99999) %}{% for two in range(99999) %}{% endfor %}{% endfor %}",
    "a loop over a text of its own": "{% for one in a ~ a ~ a %}{{ one }}{% endfor %}",
    "a loop that calls itself": "{% for one in some recursive %}{{ loop(some) }}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "a text that doubles": "{% set b = a ~ a %}" + "".join("{% set b = b ~ b %}" for _ in range(64)) + "{{ b }}",
    "texts that double in turn": "".join(f"{{% set v{n + 1} = v{n} ~ v{n} %}}" for n in range(64)).replace("v0", "a", 2) + "{{ v64 }}",
    "a text times a number": "{{ a * 999999999 }}",
    "a power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "a wide format": "{{ '%999999999d' % 1 }}",
    "a wide format by a filter": "{{ a | center(999999999) }}",
    "a wide text by a filter": "{{ some | join(some | join(some | join(a))) }}",
    "replaced again and again": "{{ a | replace('x', a) }}",
    "a call of a method": "{{ a.replace('x', a) }}",
    "one expression with very many names": "{% set b = " + " ~ ".join(["a"] * 4000) + " %}",
    "a block that is kept": "{% set b %}{% for one in some %}{{ some }}{% endfor %}{% endset %}",
    "another file": "{% include '/etc/passwd' %}",
    "a module": "{% import 'os' as os %}",
    "the insides of Python": "{{ a.__class__.__mro__ }}",
    "parentheses within parentheses": "{{ " + "(" * 20_000 + "a" + ")" * 20_000 + " }}",
    "a text that does not end": "{{ 'a",
    "no text": "\x80\x81",
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_template_that_has_no_bound_is_refused(tmp_path: Path, why: str) -> None:
    file = tmp_path / "user-data.j2"
    file.write_bytes(HOSTILE[why].encode("latin-1"))
    with pytest.raises(TemplateWrong) as refused:
        Template(file).render(**VALUES)
    assert str(file) in str(refused.value)
    assert len(str(refused.value)) < 600


def test_what_a_template_makes_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "user-data.j2"
    file.write_text(LOOP + "{{ one }}" * 5000 + END)
    with pytest.raises(TemplateWrong, match=f"longer than {LONGEST >> 20} MiB"):
        Template(file).render(**VALUES)
    file.write_text("x" * (LARGEST + 1))
    with pytest.raises(TemplateWrong, match="that is no template"):
        Template(file)


def test_what_templates_may_do(tmp_path: Path) -> None:
    file = tmp_path / "user-data.j2"
    file.write_text(
        '{% set b = " --p=" ~ a if a else "" %}{% if system.startswith("fedora-") and not a == "y" %}{{ b | length }}{% else %}no{% endif %}'
        '{% for one in some %}{{ one | upper }}{{ ", " if not loop.last }}{% endfor %} {{ some | join(" ") }} {{ mirror.url }}'
    )
    assert Template(file).render(**VALUES | {"some": ["p", "q"]}) == "205P, Q p q http://m"


@pytest.mark.parametrize("file", sorted(IMAGES.rglob("*.j2")), ids=lambda file: str(file.relative_to(IMAGES)))
def test_every_template_of_ours_is_taken(file: Path) -> None:
    Template(file)


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A file of 100 KiB that unpacks to 100 times as much as is looked at."""
    file = tmp_path / "x.jsonl.gz"
    piece = gzip.compress(bytes(16 << 20), 9)
    with file.open("wb") as out:
        for _ in range(4 * SMALL // (16 << 20)):
            out.write(piece)
    return file


def test_a_packed_journal_unpacks_to_no_more_than_journals_do(bomb: Path) -> None:
    with pytest.raises(StoreError, match="is no packed journal: it unpacks to more than 64 MiB"):
        JournalFile(bomb)


def test_unpacking_leaves_room_for_others(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(bomb)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1 << 20))
    with pytest.raises(StoreError, match="Free some space there"):
        JournalFile(bomb)
