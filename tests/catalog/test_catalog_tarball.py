"""Archives that attack: each is refused with the member's name, and nothing is written anywhere."""

from __future__ import annotations

import gzip
import io
import resource
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from clamp_rig import archive, barclamp, folder, member, tree

from crowbar_tui.cli import main
from engine.api.barclamps import BarclampError, check, from_path, import_source, imports
from engine.files.clamps.content import MAX_BYTES, MAX_FILES, digest
from engine.files.clamps.tarball import MAX_STREAM, read_stream

INSIDE = {f"web/{path}": data for path, data in barclamp().items()}
PLAIN = "an archive of barclamps has plain files only; nothing was written"
MEBIBYTE = gzip.compress(bytes(1 << 20))
"""A gzip file of zeros. Several in a row are one file too."""
ONE = "only in case, or in how a letter is composed"
ATTACKS: dict[str, tuple[tarfile.TarInfo, str]] = {
    "up": (member("web/../../evil"), "'web/../../evil' leads out of its folder; nothing was written"),
    "only up": (member("../evil"), "'../evil' leads out of its folder; nothing was written"),
    "absolute": (member("/etc/evil"), "'/etc/evil' is an absolute path; nothing was written"),
    "link": (member("web/evil", tarfile.SYMTYPE, "/etc/passwd"), f"'web/evil' is a link to '/etc/passwd': {PLAIN}"),
    "link inside": (member("web/evil", tarfile.SYMTYPE, "barclamp.yml"), f"'web/evil' is a link to 'barclamp.yml': {PLAIN}"),
    "hard link": (member("web/evil", tarfile.LNKTYPE, "web/barclamp.yml"), f"'web/evil' is a link to 'web/barclamp.yml': {PLAIN}"),
    "device": (member("web/evil", tarfile.CHRTYPE), f"'web/evil' is a device: {PLAIN}"),
    "block device": (member("web/evil", tarfile.BLKTYPE), f"'web/evil' is a device: {PLAIN}"),
    "pipe": (member("web/evil", tarfile.FIFOTYPE), f"'web/evil' is a pipe: {PLAIN}"),
    "sparse": (member("web/evil", tarfile.GNUTYPE_SPARSE), f"'web/evil' is a sparse file: {PLAIN}"),
    "unknown": (member("web/evil", b"Z"), f"'web/evil' is of an unknown kind: {PLAIN}"),
    "setuid": (member("web/evil", mode=0o4755), "'web/evil' has a setuid, setgid or sticky bit (mode 4755); nothing was written"),
    "setgid folder": (
        member("web/evil", tarfile.DIRTYPE, mode=0o2755),
        "'web/evil' has a setuid, setgid or sticky bit (mode 2755); nothing was written",
    ),
    "twice": (member("web/barclamp.yml"), "'web/barclamp.yml' is there twice; nothing was written"),
    "file and folder": (member("web/roles"), "'web/roles/web-role/run' is a file and a folder; nothing was written"),
    "long": (member("web/" + "n" * 200), f"'{('web/' + 'n' * 200)[:97]}...' is a name of more than 200 characters; nothing was written"),
    "deep": (member("web/" + "d/" * 12 + "x"), f"'web/{'d/' * 12}x' is more than 12 folders deep; nothing was written"),
    "control": (member("web/\x1b[31mred"), "'web/?[31mred' is not a usable path; nothing was written"),
    "new line": (member("web/a\nb"), "'web/a?b' is not a usable path; nothing was written"),
    "backslash": (member("web\\evil"), "'web\\\\evil' is not a usable path; nothing was written"),
    "dot": (member("web/./x"), "'web/./x' is not a usable path; nothing was written"),
    "case": (member("web/Barclamp.yml"), f"'web/Barclamp.yml' differs from 'web/barclamp.yml' {ONE}; nothing was written"),
    "case of a folder": (member("web/Roles/x"), f"'web/Roles/x' differs from 'web/roles' {ONE}; nothing was written"),
    "not UTF-8": (member("web/\udcff"), "'web/?' is not a usable path; nothing was written"),
    "turned text": (member("web/\u202egpj.sh"), "'web/?gpj.sh' is not a usable path; nothing was written"),
    "no name": (member(""), "'' is not a usable path; nothing was written"),
    "large": (member("web/zeros", size=MAX_BYTES + 1), f"'web/zeros' makes it larger than {MAX_BYTES} bytes; nothing was written"),
}


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_name(tmp_path: Path, attack: str, mode: str) -> None:
    evil, text = ATTACKS[attack]
    path = archive(tmp_path / "web.tar", INSIDE, evil, mode=mode)
    before = tree(tmp_path)
    with pytest.raises(BarclampError) as caught:
        import_source(tmp_path / "store", from_path(path))
    assert str(caught.value) == f"web.tar: {text}"
    assert tree(tmp_path) == before
    assert not (tmp_path / "store").exists()


def test_a_gigabyte_of_zeros_ends_early(tmp_path: Path) -> None:
    """As a member, and behind the end of the archive: neither is unpacked into memory."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        tar.addfile(member("web/zeros", size=0))
    head = tarfile.TarInfo("web/zeros")
    head.size = 1 << 30
    for name, start in (("member", head.tobuf()), ("end", whole.getvalue())):
        path = tmp_path / f"{name}.tgz"
        path.write_bytes(gzip.compress(start) + MEBIBYTE * (1 << 10))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(BarclampError) as caught:
            from_path(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "kilobytes"
        said = f"'web/zeros' makes it larger than {MAX_BYTES} bytes" if name == "member" else f"unpacks to more than {MAX_STREAM} bytes"
        assert said in str(caught.value)


def test_a_stream_that_has_no_end_is_left(tmp_path: Path) -> None:
    class Endless:
        given = 0

        def read(self, many: int) -> bytes:
            self.given += many
            return bytes(many)

    stream = Endless()
    with pytest.raises(BarclampError, match="unpacks to more than"):
        read_stream(stream, "x.tar")
    assert stream.given <= MAX_STREAM + (2 << 20)


def test_too_many_members(tmp_path: Path) -> None:
    files = {f"web/{i}": b"" for i in range(MAX_FILES + 1)}
    with pytest.raises(BarclampError, match=f"'web/{MAX_FILES}' is one file too many: at most {MAX_FILES}"):
        from_path(archive(tmp_path / "x.tgz", files))
    folders = [member(f"web/{i}", tarfile.DIRTYPE) for i in range(2 * MAX_FILES + 2)]
    with pytest.raises(BarclampError, match="is one member too many"):
        from_path(archive(tmp_path / "y.tgz", {}, *folders))


def test_headers_that_follow_each_other_without_end(tmp_path: Path) -> None:
    """A thousand extended headers in a row: tarfile would call itself for each."""
    one = member("x", tarfile.XHDTYPE).tobuf()
    (tmp_path / "x.tar").write_bytes(one * 20_000 + bytes(1024))
    with pytest.raises(BarclampError, match=r"x\.tar is damaged"):
        from_path(tmp_path / "x.tar")


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_every_shortened_archive_is_refused(tmp_path: Path, mode: str) -> None:
    whole = archive(tmp_path / "web.tar", INSIDE, mode=mode).read_bytes()
    assert digest(from_path(tmp_path / "web.tar").barclamps["web"])
    for end in range(0, len(whole) - 1, max(len(whole) // 60, 1)):
        if mode == "w" and not any(whole[end:]) and whole[end - 512 : end] == bytes(512):
            continue  # only padding is gone
        (tmp_path / "web.tar").write_bytes(whole[:end])
        with pytest.raises(BarclampError):
            from_path(tmp_path / "web.tar")


def test_every_flipped_byte_of_a_compressed_archive_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "web.tgz", INSIDE)
    whole, wanted = path.read_bytes(), digest(from_path(path).barclamps["web"])
    for i in range(0, len(whole), 7):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0x41]) + whole[i + 1 :])
        try:
            assert digest(from_path(path).barclamps["web"]) == wanted, i
        except BarclampError:
            continue


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    for head, said in (
        (b"\x28\xb5\x2f\xfd" + bytes(600), "x.tgz is compressed with zstd: hand over a .tar, .tgz or .tar.gz, or the unpacked folder"),
        (b"PK\x03\x04", "x.tgz is compressed with zip: hand over a .tar, .tgz or .tar.gz, or the unpacked folder"),
        (b"barclamp: {}\n", "x.tgz is a file, and not a tar: hand over the folder of a barclamp, a folder of barclamps, or a .tar or .tgz"),
        (b"", "x.tgz is a file, and not a tar: hand over the folder of a barclamp, a folder of barclamps, or a .tar or .tgz"),
    ):
        (tmp_path / "x.tgz").write_bytes(head)
        with pytest.raises(BarclampError) as caught:
            from_path(tmp_path / "x.tgz")
        assert str(caught.value) == said


def test_an_archive_and_its_folder_are_the_same(tmp_path: Path) -> None:
    store = tmp_path / "store"
    place = folder(tmp_path / "clamps", barclamp())
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.pyc").write_bytes(b"left out")
    for path in (
        archive(tmp_path / "a.tgz", INSIDE),
        archive(tmp_path / "b.tar", {f"./{path}": data for path, data in barclamp().items()}, mode="w"),
        archive(tmp_path / "c.tgz", {f"web-1.0/{path}": data for path, data in barclamp().items()}),
        archive(tmp_path / "d.tgz", {f"clamps-1.0/{path}": data for path, data in INSIDE.items()}),
        place,
        place.parent,
    ):
        assert check(store, from_path(path)).roles["web-role"].barclamp == "web", path
        import_source(store, from_path(path))
    assert [(one.name, one.version) for one in imports(store)] == [("web", "1")]
    assert not (imports(store)[0].folder(store) / "web" / "__pycache__").exists()


def test_a_mistake_names_the_place_in_the_archive(tmp_path: Path) -> None:
    broken = archive(tmp_path / "web.tgz", {f"clamps/{k}": v.replace(b"system", b"sytem") for k, v in INSIDE.items()})
    with pytest.raises(ValueError, match="roles") as caught:
        check(tmp_path / "store", from_path(broken))
    assert str(caught.value) == "web.tgz/clamps/web/barclamp.yml:5: roles.0.stage: unknown stage 'sytem'; did you mean 'system'?"


# -- more than one member ------------------------------------------------------------------------------------------


def pax(headers: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header in front of a plain member, as an attacker writes it."""
    records = b"".join(record(name, value) for name, value in headers.items())
    head = member("x", kind, size=len(records)).tobuf(tarfile.USTAR_FORMAT)
    return head + records + bytes(-len(records) % 512) + member("web/x").tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def record(name: str, value: str) -> bytes:
    body = f" {name}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    return f"{length + (len(str(length)) > len(str(len(body))))}".encode() + body


HEADERS: dict[str, tuple[bytes, str]] = {
    "path up": (pax({"path": "../evil"}), "'../evil' leads out of its folder"),
    "path of all": (pax({"path": "/etc/evil"}, tarfile.XGLTYPE), "'/etc/evil' is an absolute path"),
    "long path": (pax({"path": "web/" + "n" * 100_000}), "is a name of more than 200 characters"),
    "size below zero": (pax({"size": "-512"}), "web.tar is damaged|makes it larger"),
    "size of everything": (pax({"size": str(1 << 62)}), "makes it larger than"),
    "sparse by header": (pax({"GNU.sparse.size": "1", "GNU.sparse.name": "web/y", "GNU.sparse.map": "0,1"}), "is a sparse file|is damaged"),
    "length of nothing": (pax({}).replace(bytes(512), b"0 path=x\n" + bytes(503), 1), "is damaged|ends too early|is empty|no barclamp"),
    "long link": (
        member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=9).tobuf(tarfile.GNU_FORMAT) + b"../../x\0\0" + bytes(503)
        + member("web/x").tobuf() + bytes(1024),
        "'../../x' leads out of its folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", HEADERS)
def test_an_extended_header_is_no_way_around(tmp_path: Path, attack: str) -> None:
    data, said = HEADERS[attack]
    (tmp_path / "web.tar").write_bytes(data)
    with pytest.raises(BarclampError, match=said):
        import_source(tmp_path / "store", from_path(tmp_path / "web.tar"))
    assert not (tmp_path / "store").exists()


def bombs(place: Path) -> list[Path]:
    """Archives that are small on the disk and large in memory, for a reader that trusts them."""

    def packed(name: str, *parts: bytes, many: int = 0) -> Path:
        (place / name).write_bytes(b"".join(map(gzip.compress, parts)) + MEBIBYTE * many)
        return place / name

    big = member("web/zeros", size=1 << 30).tobuf()
    header = member("x", tarfile.XHDTYPE, size=1 << 30).tobuf(tarfile.USTAR_FORMAT)
    name = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=1 << 30).tobuf(tarfile.GNU_FORMAT)
    keys = b"".join(record(f"k{i}", "v") for i in range(20_000))
    many = member("x", tarfile.XHDTYPE, size=len(keys)).tobuf(tarfile.USTAR_FORMAT) + keys + bytes(-len(keys) % 512)
    once = packed("zeros.tgz", big, many=256)
    return [
        once,
        packed("twice.tgz", once.read_bytes()),
        packed("header.tgz", header, many=256),
        packed("name.tgz", name, many=256),
        packed("keys.tgz", many, member("web/x").tobuf(), bytes(1024)),
        archive(place / "tiny.tgz", {f"web/{i}": b"" for i in range(4 * MAX_FILES)}),
    ]


MEASURE = """\
import resource, sys, time
from pathlib import Path
from engine.api.barclamps import BarclampError, from_path
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from_path(Path(sys.argv[1]))
before = most()
for path in map(Path, sys.argv[2:]):
    start = time.process_time()
    try:
        from_path(path)
    except BarclampError as error:
        print(most() - before, round(time.process_time() - start, 1), str(error)[:300].replace(chr(10), " "))
    else:
        print("accepted", path)
"""


def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is its own."""
    good = archive(tmp_path / "good.tgz", INSIDE)
    paths = bombs(tmp_path)
    done = subprocess.run([sys.executable, "-c", MEASURE, good, *paths], capture_output=True, text=True, check=True, timeout=120)
    rows = done.stdout.splitlines()
    assert len(rows) == len(paths), done
    for path, row in zip(paths, rows, strict=True):
        assert not row.startswith("accepted"), row
        kilobytes, seconds, said = row.split(" ", 2)
        assert int(kilobytes) < 64 * 1024, (path.name, row)
        assert float(seconds) < 20, (path.name, row)
        assert path.name in said, row


def whole(store: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything in a store: mode, time of the last change, size and content."""
    out = {}
    for place in [store, *sorted(store.rglob("*"))]:
        about = place.lstat()
        content = place.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        out[str(place.relative_to(store))] = (about.st_mode, about.st_mtime_ns, about.st_size if content else 0, content)
    return out


def test_a_refused_archive_leaves_a_store_byte_for_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, unpacked = tmp_path / "store", tmp_path / "unpacked"
    unpacked.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unpacked))
    assert main(["--store", str(store), "barclamp", "import", str(archive(tmp_path / "web.tgz", INSIDE))]) == 0
    before = whole(store)
    for number, (evil, text) in enumerate(ATTACKS.values()):
        path = archive(tmp_path / f"evil{number}.tgz", INSIDE, evil)
        assert main(["--store", str(store), "barclamp", "check" if number % 4 == 0 else "import", str(path)]) == 2, text
    for path in bombs(tmp_path)[:2]:
        assert main(["--store", str(store), "barclamp", "import", str(path)]) == 2
    assert whole(store) == before
    assert not list(unpacked.iterdir())
    assert "\x1b" not in capsys.readouterr().err
