"""What machines print, as files that are safe to print and hold no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.jigs.logs import Masker
from engine.store.console_log import KEPT, LONGEST, MOST_BYTES, ConsoleLog, ConsoleText, console_files


def plain(*pieces: bytes) -> str:
    text = ConsoleText()
    return "".join(text.feed(piece) for piece in pieces) + text.flush()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"\x1b[2J\x1b[1;1HGRUB\x1b[0m menu\r\n", "\n\nGRUB menu\n"),
        (b"\x1b]0;owned\x07ok\n", "ok\n"),
        (b"67%\r100%\r\n", "67%\n100%\n"),
        (b"a\x00b\x9b31mc\x7f\n", "ab\ufffd31mc?\n"),
        ("gr\u00fc\u00df\u202egnp.exe\n".encode(), "gr\u00fc\u00df?gnp.exe\n"),
        (b"\x1bPq#0;2;0\x1b\\x\x1bcx\n", "xx\n"),
        (b"\xff\xfe\n", "\ufffd\ufffd\n"),
    ],
    ids=["screen", "title", "progress", "controls", "direction", "strings", "no-text"],
)
def test_nothing_that_a_terminal_obeys_is_kept(sent: bytes, kept: str) -> None:
    assert plain(sent) == kept
    assert plain(*[bytes((octet,)) for octet in sent]).replace("\n\n", "\n").strip("\n") == kept.replace("\n\n", "\n").strip("\n")


def test_a_line_without_an_end_and_a_sequence_without_an_end_are_bounded() -> None:
    text = ConsoleText()
    out = ""
    for _ in range(100):
        out += text.feed(b"x" * 1000)
    assert len(out) > 100_000 - LONGEST - 1000
    text = ConsoleText()
    for _ in range(100):
        text.feed(b"\x1b]" + b"y" * 1000)
    assert len(text._rest) < 2000


def log_of(folder: Path, *secrets: str) -> ConsoleLog:
    return ConsoleLog(folder, "n1", lambda: (secrets, Masker(secrets)))


def kept(folder: Path) -> str:
    return "".join(path.read_text() for path in reversed(console_files(folder, "n1")))


def test_no_secret_is_kept_in_whatever_pieces_it_comes(tmp_path: Path) -> None:
    secret, nonce = "correct horse battery", "0123456789abcdef" * 3
    sent = f"password {secret} set\r\nCommand line: crowbar.url=http://a crowbar.nonce={nonce}\r\n".encode()
    sent += b"corr\x1b[1mect horse\x1b[0m battery\n"
    for size in (1, 2, 3, 7, len(sent)):
        folder = tmp_path / str(size)
        folder.mkdir()
        log = log_of(folder, secret)
        for at in range(0, len(sent), size):
            log.write(sent[at : at + size])
        log.close()
        assert kept(folder) == "password *** set\nCommand line: crowbar.url=http://a crowbar.nonce=***\n***\n"


def test_secrets_that_are_made_meanwhile_are_masked(tmp_path: Path) -> None:
    secrets = ["first-one"]
    log = ConsoleLog(tmp_path, "n1", lambda: (tuple(secrets), Masker(tuple(secrets))))
    log.write(b"first-one second-one \n")
    secrets.append("second-one")
    log.write(b"first-one second-one \n")
    log.close()
    assert kept(tmp_path) == "*** second-one \n*** *** \n"


def test_files_rotate(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    line = b"x" * 999 + b"\n"
    for n in range((KEPT + 2) * MOST_BYTES // 1000):
        log.write(b"%06d " % n + line)
    log.note("the end")
    log.close()
    files = console_files(tmp_path, "n1")
    assert [path.name for path in files] == ["console.log", "console-1.log", "console-2.log", "console-3.log"]
    assert all(path.stat().st_size <= MOST_BYTES for path in files)
    assert kept(tmp_path).endswith("x\n[the end]\n")
    assert console_files(tmp_path, "../n1") == ()
