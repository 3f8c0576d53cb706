"""Key files: each is complete after a kill at any moment. A damaged one gives one sentence that says what to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api.control import keep_secret
from engine.files import key_file
from engine.files.key_file import KeyFileError
from engine.jigs.ssh_key import engine_key
from engine.power.certificates import Certificates
from engine.trust.authority import site_trust
from engine.trust.tokens import site_keys
from engine.trust.vault import Vault, VaultError, at_hand

SECRET = "never-shown-9f3a"


def vault(folder: Path) -> Vault:
    made = Vault(folder / "store", folder / "keys")
    made.seal({"p": {"env": "P"}}, {"p": SECRET})
    return made


def trust(folder: Path) -> Any:
    return site_trust(folder / "keys", ["10.0.0.1"])


def bmcs(folder: Path) -> bool:
    return Certificates(folder / "keys" / "known_bmcs").accepts("10.0.0.9", 443, b"certificate")


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "seal.key": ("keys/seal.key", lambda folder: Vault(folder / "store", folder / "keys")),
    "sealed.json": ("store/sealed.json", lambda folder: Vault(folder / "store", folder / "keys")),
    "site.key": ("keys/site.key", lambda folder: site_keys(folder / "keys")),
    "ssh": ("keys/engine_ed25519", lambda folder: engine_key(folder / "keys" / "engine_ed25519")),
    "ca.key": ("keys/ca.key", trust),
    "ca.crt": ("keys/ca.crt", trust),
    "bmcs": ("keys/known_bmcs", bmcs),
}


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    vault(tmp_path)
    for _, read in READERS.values():
        read(tmp_path)
    return tmp_path


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def spaces(path: Path) -> None:
    path.write_bytes(b" \n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


def other_text(path: Path) -> None:
    path.write_text("this is a letter, and no key")


def huge(path: Path) -> None:
    path.write_bytes(b"a" * 20_000_000)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("harm", [emptied, spaces, cut, garbage, other_text, huge, open_to_all, a_folder, a_pipe])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_told_in_a_sentence(folder: Path, name: str, harm: Callable[[Path], None]) -> None:
    place, read = READERS[name]
    path = folder / place
    harm(path)
    if name == "bmcs" and harm in (emptied, spaces):
        assert read(folder), "the operator may have deleted all lines"
        return
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(KeyFileError) as error:
        read(folder)
    said = str(error.value)
    assert str(path) in said
    assert "\n" not in said
    assert ": " in said
    assert any(word in said for word in ("put it back", "chmod 600", "move it away", "delete")), said
    assert (path.read_bytes() if path.is_file() else None) == before, "it is never repaired"
    assert SECRET not in said


def test_a_folder_of_keys_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeyFileError, match="must be a folder for keys, and is a file: move the file away"):
        Vault(tmp_path, tmp_path / "keys")


@pytest.mark.parametrize("name", ["seal.key", "site.key", "ssh", "ca.key", "sealed.json", "bmcs"])
def test_a_kill_between_any_two_calls_leaves_no_file_or_a_whole_one(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of the operating system in turn is the last one; after that a new engine starts on what is there."""

    class Killed(BaseException):
        pass

    left = 0

    def counted(what: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return what(*arguments, **more)

        return call

    (tmp_path / "all").mkdir()
    for many in range(60):
        folder = tmp_path / str(many)
        (folder / "store").mkdir(parents=True)
        (folder / "keys").mkdir()
        left = many
        with monkeypatch.context() as patched:
            for call in ("open", "fsync", "link", "replace"):
                patched.setattr(key_file.os, call, counted(getattr(os, call)))
            patched.setattr(Path, "unlink", counted(Path.unlink))
            try:
                vault(folder) if name in ("seal.key", "sealed.json") else READERS[name][1](folder)
                done = True
            except Killed:
                done = False
        vault(folder) if name in ("seal.key", "sealed.json") else READERS[name][1](folder)
        assert stat.S_IMODE((folder / READERS[name][0]).stat().st_mode) & 0o077 == 0
        if done:
            break
    else:
        pytest.fail("it never came to its end")
    assert many > 3


def test_it_is_durable_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then name, then folder."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        key_file.os, "fsync", lambda fd: (calls.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), fsync(fd))
    )
    monkeypatch.setattr(key_file.os, "replace", lambda a, b: (calls.append("name"), replace(a, b)))
    key_file.replace(tmp_path / "key", b"content")
    assert calls == ["file", "name", "folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_half_written_line_of_a_bmc_is_not_passed_over(tmp_path: Path) -> None:
    """Else the next certificate at that address would be believed."""
    known = Certificates(tmp_path / "known")
    assert known.accepts("10.0.0.1", 443, b"one")
    assert known.accepts("10.0.0.2", 443, b"two")
    assert not known.accepts("10.0.0.1", 443, b"other")
    assert known.accepts("10.0.0.1", 443, b"one")
    text = (tmp_path / "known").read_text()
    (tmp_path / "known").write_text(text[:-30])
    with pytest.raises(KeyFileError, match="line 2 of .* is damaged"):
        known.accepts("10.0.0.2", 443, b"other")


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-shm"])
def test_a_file_of_a_store_is_no_secret(tmp_path: Path, name: str) -> None:
    """The engine would open and close it, which drops SQLite's locks."""
    (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link"):
        with pytest.raises(VaultError, match="is a file of a store, not a secret"):
            at_hand({"p": {"file": str(path)}}, {})


def test_a_secret_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\xff\xfe")
    with pytest.raises(VaultError, match="is not a text in UTF-8"):
        at_hand({"p": {"file": str(tmp_path / "p")}}, {})


def test_what_an_operator_typed_is_kept_beside_the_store(tmp_path: Path) -> None:
    path = keep_secret(tmp_path / "store", "bmc-password", "calvin")
    assert path == tmp_path / "store.keys" / "bmc-password"
    assert path.read_text() == "calvin\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keep_secret(tmp_path / "store", "bmc-password", "hobbes")
    assert path.read_text() == "hobbes\n"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
