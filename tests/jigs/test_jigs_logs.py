"""Log files of attempts: order, repetition, gaps, bounds, masking."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jigs import logs as logs_module
from engine.jigs.logs import Logs, Masker, is_attempt_name


def text(logs: Logs, name: str = "a-1.0") -> str:
    return logs.path(name).read_text()


def test_pieces_come_twice_overlap_and_leave_gaps(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.open("a-1.0", [])
    assert logs.write("a-1.0", 0, b"hello ") == 6
    assert logs.write("a-1.0", 0, b"hello ") == 6
    assert logs.write("a-1.0", 3, b"lo world\n") == 12
    assert text(logs) == "hello world\n"
    assert logs.write("a-1.0", 20, b"later\n") == 26
    assert text(logs) == "hello world\n\n[8 bytes of the log did not arrive]\nlater\n"
    assert stat.S_IMODE(logs.path("a-1.0").stat().st_mode) == 0o600


def aged(logs: Logs, name: str, size: int, at: float, is_open: bool = False) -> None:
    logs.open(name, ["secret-word"])
    logs.write(name, 0, b"x" * (size - 3) + b"secret-word")
    if not is_open:
        logs.close(name)
    for file in (logs.path(name), logs.path(name).with_suffix(".at")):
        os.utime(file, (at, at))


def kept(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_old_logs_go_and_open_ones_stay(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for name, at in (("a-1.0", 100.0), ("a-2.0", 900.0)):
        aged(logs, name, 10, at)
    aged(logs, "a-3.0", 10, 100.0, is_open=True)
    (tmp_path / "of somebody else").touch()
    assert logs.sweep(1000.0, keep_s=500.0) == 1
    assert kept(tmp_path) == {"a-2.0.log", "a-2.0.at", "a-3.0.log", "a-3.0.at", "of somebody else"}
    logs.close("a-3.0")
    os.utime(logs.path("a-3.0"), (100.0, 100.0))
    os.utime(logs.path("a-3.0").with_suffix(".at"), (100.0, 100.0))
    assert logs.sweep(1000.0, keep_s=500.0) == 1


def test_all_logs_together_are_bounded_and_the_oldest_go_first(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for i in range(10):
        aged(logs, f"a-{i}.0", 1000, 100.0 + i)
    aged(logs, "a-99.0", 2000, 1.0, is_open=True)
    assert logs.sweep(200.0, keep_bytes=5100) == 7
    assert {name for name in kept(tmp_path) if name.endswith(".log")} == {"a-7.0.log", "a-8.0.log", "a-9.0.log", "a-99.0.log"}
    assert logs.sweep(200.0, keep_bytes=5100) == 0
    logs.open("a-0.0", [])
    assert logs.position("a-0.0") == 0


def test_a_folder_that_is_gone_is_told_and_ends_nothing(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs")
    (tmp_path / "logs").rmdir()
    assert logs.sweep(1.0) == 0
    assert "old logs cannot be removed" in logs.trouble


def test_only_what_was_opened_is_written(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    assert logs.write("a-1.0", 0, b"x") is None
    assert logs.position("a-1.0") is None
    assert not list(tmp_path.iterdir())
    for name in ("", ".", "../x", "a/b", "-x", "a" * 129, "a\n", ".hidden"):
        assert not is_attempt_name(name)
        with pytest.raises(ValueError, match="not the name of an attempt"):
            logs.open(name, [])


def test_a_restarted_engine_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Logs(tmp_path)
    first.open("a-1.0", ["sesame-open"])
    first.write("a-1.0", 0, b"key sesame-open; ses")
    second = Logs(tmp_path)
    second.open("a-1.0", ["sesame-open"])
    assert second.position("a-1.0") == 17
    assert second.write("a-1.0", 0, b"key sesame-open; sesame-open\n") == 29
    assert text(second) == "key ***; ***\n"


def test_a_log_that_is_the_node_s_own_needs_no_second_file(tmp_path: Path) -> None:
    first = Logs(tmp_path)
    first.open("a-1.0", ["sesame-open"])
    first.write("a-1.0", 0, b"plain and ses")
    assert kept(tmp_path) == {"a-1.0.log"}
    second = Logs(tmp_path)
    second.open("a-1.0", ["sesame-open"])
    assert second.position("a-1.0") == 10
    second.write("a-1.0", 10, b"sesame-open\n")
    assert text(second) == "plain and ***\n"
    assert kept(tmp_path) == {"a-1.0.log", "a-1.0.at"}


@pytest.mark.parametrize("file", ["a-1.0.log", "a-1.0.at"])
def test_after_a_crash_between_its_two_files_no_piece_begins_inside_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """The first masked piece is written, and one of the two files is not."""
    first = Logs(tmp_path)
    first.open("a-1.0", ["sesame-open"])
    first.write("a-1.0", 0, b"plain ")
    plain, opened = open, []

    def crashes(path: Path, *more: object, **named: object) -> object:
        opened.append(path.name)
        if path.name == file and opened.count("a-1.0.at") + opened.count("a-1.0.log") > 1:
            raise OSError("the power is gone")
        return plain(path, *more, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(logs_module, "open", crashes, raising=False)
    first.write("a-1.0", 6, b"sesame-open, then\n")
    assert first.failures == 1
    monkeypatch.undo()
    second = Logs(tmp_path)
    second.open("a-1.0", ["sesame-open"])
    position = second.position("a-1.0")
    assert position == 6
    second.write("a-1.0", position, b"plain sesame-open, then\n"[position:])
    assert "open" not in text(second)


def test_bounded(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=100)
    logs.open("a-1.0", [])
    for i in range(50):
        assert logs.write("a-1.0", i * 10, b"123456789\n") == i * 10 + 10
    assert text(logs) == "123456789\n" * 10 + "\n[the log is cut at 100 bytes]\n"
    assert len(logs.path("a-1.0").read_bytes()) < 200


def test_many_open_logs_are_bounded_and_lose_nothing(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_open=4)
    for i in range(10):
        logs.open(f"a-{i}.0", ["secret-word"])
        logs.write(f"a-{i}.0", 0, b"end secre")
    assert text(logs, "a-0.0") == "end secre"
    assert logs.write("a-0.0", 9, b"x") is None
    assert logs.write("a-9.0", 9, b"t-word") == 15
    assert text(logs, "a-9.0") == "end ***"


def test_a_disk_that_cannot_be_written_is_told_not_raised(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.open("a-1.0", [])
    logs.path("a-1.0").mkdir()
    assert logs.write("a-1.0", 0, b"x") == 1
    assert logs.failures == 1
    assert "a-1.0" in logs.trouble


def test_tail(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    assert logs.tail("a-1.0") == ("", False)
    logs.open("a-1.0", [])
    logs.write("a-1.0", 0, b"0123456789\xff")
    assert logs.tail("a-1.0", 4) == ("789\ufffd", True)
    assert logs.tail("a-1.0", 11) == ("0123456789\ufffd", False)


def test_short_and_empty_secrets_are_no_secrets() -> None:
    masker = Masker(["", "abc", "\n"])
    assert masker.feed(b"abcabc") == b"abcabc"


def test_lines_of_a_secret_are_secrets() -> None:
    masker = Masker(["-----BEGIN-----\nkeykeykey\n-----END-----\n"])
    assert masker.feed(b"> keykeykey <\n") == b"> *** <\n"
    assert "keykey" not in repr(masker)


@given(
    pieces=st.lists(st.text("abcs", max_size=12).map(str.encode), max_size=12),
    secrets=st.lists(st.text("abcs", min_size=4, max_size=7), max_size=4),
)
def test_however_it_is_cut_no_secret_passes(pieces: list[bytes], secrets: list[str]) -> None:
    masker, whole = Masker(secrets), Masker(secrets)
    got = b""
    for piece in pieces:
        got += masker.feed(piece)
        assert masker.held <= 7
    got += masker.flush()
    assert got == whole.feed(b"".join(pieces)) + whole.flush()
    for part in got.split(b"***"):
        assert not any(secret.encode() in part for secret in secrets)
