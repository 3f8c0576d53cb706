"""`status.dat` of Nagios: a real one, and files that nobody should believe."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire.nagios_status import TEXT, NagiosStatus, Verdict, parse_status

REAL = (Path(__file__).parent / "golden" / "nagios-4.4.6-red.dat").read_bytes()
"""Written by Nagios Core 4.4.6 of Debian 12, six seconds after a web server on port 8099 was killed."""


def test_a_real_file() -> None:
    assert parse_status(REAL) == NagiosStatus(
        created=1795980941.0,
        verdicts=(
            Verdict(
                host="a-1",
                state=0,
                hard=True,
                checked=True,
                text="OK - 127.0.0.1: rta 0.038ms, lost 0%",
                last_check=1795980932.0,
                since=1795980922.0,
            ),
            Verdict(
                host="a-1",
                service="web/tcp",
                state=2,
                hard=True,
                checked=True,
                text="connect to address 127.0.0.1 and port 8099: Connection refused",
                last_check=1795980937.0,
                since=1795980937.0,
            ),
        ),
    )


def changed(old: str, new: str) -> bytes:
    assert old.encode() in REAL
    return REAL.replace(old.encode(), new.encode())


def test_the_words_of_a_plugin_stay_on_their_line_and_are_printable() -> None:
    hostile = "\x1b[2J\\n\thost_name=evil\\n\t}\x9b\u202e" + "a" * 500
    read = parse_status(changed("connect to address 127.0.0.1 and port 8099: Connection refused", hostile))
    assert [one.host for one in read.verdicts] == ["a-1", "a-1"]
    text = read.verdicts[1].text
    assert len(text) == TEXT
    assert text.isprintable()
    assert text.startswith("?[2J\\n?host_name=evil")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "it does not say when it was written"),
        (changed("current_state=2", "current_state=9"), "a-1 has the state 9, which does not exist"),
        (changed("current_state=2", "current_state=-1"), "current_state is no number"),
        (changed("last_check=1795980937", "last_check=nan"), "last_check is no number"),
        (changed("last_check=1795980937", "last_check=" + "9" * 40), "last_check is no number"),
        (changed("\tservice_description=web/tcp\n", ""), "a block has no name"),
        (changed("created=1795980941", "created=x"), "created is no number"),
    ],
)
def test_a_file_that_nobody_should_believe(octets: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        parse_status(octets)


def test_it_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.wire.nagios_status.MOST_BYTES", 100)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        parse_status(REAL)
    monkeypatch.setattr("engine.wire.nagios_status.MOST_BYTES", 10_000)
    monkeypatch.setattr("engine.wire.nagios_status.MOST_BLOCKS", 0)
    with pytest.raises(ValueError, match="more than 0 hosts or services"):
        parse_status(REAL)


@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 255)), max_size=20))
def test_damage_is_a_sentence_or_a_file(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(REAL)
    for at, octet in changes:
        octets[at] = octet
    with suppress(ValueError):  # any other exception is a defect
        read = parse_status(bytes(octets))
        assert all(one.text.isprintable() and one.host for one in read.verdicts)
