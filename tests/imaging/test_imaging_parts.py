"""The parts of a build: tree to entries, cpio and tar, package lists, sources, libraries, and putting in place."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from engine.images.build import kept, locked
from engine.images.build.bootstrap import tree, why
from engine.images.build.elf import Libraries, needed
from engine.images.build.errors import BuildError
from engine.images.build.pack import pack
from engine.images.build.place import building, settle
from engine.images.build.sources import default_sources, host_sources
from engine.images.build.tree import Drop, Own, entries
from engine.images.cpio import Cpio

EPOCH = 1_700_000_000

# -- what stays ------------------------------------------------------------------------------------------------------


def test_drop() -> None:
    drop = Drop(["boot", "usr/share/man/??", "etc/rc*.d", "usr/bin/*perl*"])
    for path in ("boot", "boot/vmlinuz", "usr/share/man/de", "usr/share/man/de/man1/ls.1.gz", "etc/rc2.d", "usr/bin/perl5.36"):
        assert drop(path), path
    for path in ("boots", "usr/share/man/man1", "etc/rc/x", "usr/bin", "usr/bin/sub/perl"):
        assert not drop(path), path
    assert not Drop([])("boot")


def make_tar(things: list[tuple[str, bytes | str | None]]) -> tarfile.TarFile:
    """Path -> content, target of a symbolic link, or None for a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, what in things:
            info = tarfile.TarInfo(path)
            info.mtime = EPOCH + 5
            info.mode = 0o755
            if what is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(what, str):
                info.type = tarfile.SYMTYPE
                info.linkname = what
            else:
                info.size = len(what)
            archive.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    stream.seek(0)
    return tarfile.open(fileobj=stream, mode="r|")


def test_entries() -> None:
    tar = make_tar(
        [("./", None), ("./etc/", None), ("./etc/a", b"theirs"), ("./boot/", None), ("./boot/k", b"kernel"), ("./bin", "usr/bin")]
    )
    own = [Own(path="etc/a", body=b"ours"), Own(path="var/lib/x", mode=0o755, body=b"#!"), Own(path="l", target="/t")]
    seen = {"boot/k": b""}
    found = [(info.name, info.type, body, info.mtime) for info, body in entries(tar, Drop(["boot"]), own, EPOCH, seen)]
    assert seen == {"boot/k": b"kernel"}
    assert [name for name, *_ in found] == ["etc", "bin", "etc/a", "var", "var/lib", "var/lib/x", "l"]
    assert [body for name, _, body, _ in found if name == "etc/a"] == [b"ours"]
    assert {mtime for *_, mtime in found} == {EPOCH}


# -- archives --------------------------------------------------------------------------------------------------------

THINGS: list[tuple[str, bytes | str | None]] = [
    ("d", None),
    ("d/file", b"content\n"),
    ("d/empty", b""),
    ("link", "d/file"),
    ("ümlaut", b"x"),
]


def test_cpio_is_what_cpio_reads(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed")
    out = io.BytesIO()
    archive = Cpio(out)
    archive.add("d", "directory", 0o755)
    archive.add("d/file", "file", 0o4755, b"content\n", mtime=EPOCH)
    archive.add("link", "link", 0o777, b"d/file")
    archive.end()
    assert archive.octets == len(out.getvalue())
    assert len(out.getvalue()) % 512 == 0
    done = subprocess.run(["cpio", "-i", "--quiet"], input=out.getvalue(), cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d/file").read_bytes() == b"content\n"
    assert (tmp_path / "link").readlink() == Path("d/file")
    assert (tmp_path / "d/file").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("form", ["initramfs", "tar"])
def test_the_same_tree_gives_the_same_octets(form: str, tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    made = []
    for name in ("one", "two"):
        size = pack(form, entries(make_tar(THINGS), Drop([]), [], EPOCH, {}), tmp_path / name, 3)
        assert size > 0
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    plain = subprocess.run(["zstd", "-dc", str(tmp_path / "one")], capture_output=True, check=True, timeout=60).stdout
    if form == "tar":
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            assert archive.getnames() == [name for name, _ in THINGS]
    else:
        assert plain.startswith(b"070701")


# -- package lists ---------------------------------------------------------------------------------------------------

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13.dfsg-1
Description: compression
 library: Package: none

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: adduser
Status: install ok installed
Architecture: all
Version: 3.134
"""


def test_lists_of_packages() -> None:
    rows = locked.installed(STATUS)
    assert rows == (("adduser", "3.134", "all"), ("zlib1g", "1:1.2.13.dfsg-1", "amd64"))
    one = locked.Locked(suite="bookworm", variant="cloud", arch="x86_64", epoch=EPOCH, packages=rows)
    assert locked.parse(one.text()) == one
    assert one.wanted() == ["adduser=3.134", "zlib1g=1:1.2.13.dfsg-1"]


@pytest.mark.parametrize("text", ["", "# suite: x\n", "a 1 amd64\n", "# suite: x\n# arch: y\n# epoch: z\na1 1 all\n", "$(reboot)\n"])
def test_lists_that_are_none(text: str) -> None:
    with pytest.raises(BuildError):
        locked.parse(text)


def test_packages_that_are_kept(tmp_path: Path) -> None:
    for name in ("a_1%3a2_amd64.deb", "b_1_all.deb", "lock"):
        (tmp_path / name).write_bytes(b"")
    kept.prune(tmp_path, [("a", "1:2", "amd64")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_1%3a2_amd64.deb", "lock"]
    with pytest.raises(BuildError, match="build once with network access"):
        kept.index(tmp_path / "none", "bookworm")


# -- sources ---------------------------------------------------------------------------------------------------------


def test_sources_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text(
        "deb [signed-by=/k arch=amd64] http://one/debian/ bookworm main contrib # x\n#deb http://no bookworm main\n"
    )
    (folder / "a.sources").write_text(
        "Types: deb deb-src\n# note\nURIs: http://two/debian\nSuites: bookworm bookworm-updates trixie\nComponents: main\nSigned-By:\n -----BEGIN\n"
        "\nTypes: deb\nEnabled: no\nURIs: http://off\nSuites: bookworm\nComponents: main\n"
        "\nTypes: deb\nURIs: http://else\nSuites: bookworm\nComponents: stable\n"
    )
    (folder / "b.disabled").write_text("deb http://no bookworm main\n")
    assert host_sources("bookworm", ["main", "non-free-firmware"], tmp_path) == [
        "deb [signed-by=/k] http://one/debian bookworm main non-free-firmware",
        "deb http://two/debian bookworm main non-free-firmware",
        "deb http://two/debian bookworm-updates main non-free-firmware",
    ]
    assert host_sources("trixie", ["main"], tmp_path) == ["deb http://two/debian trixie main"]
    assert host_sources("sid", ["main"], tmp_path) == []
    assert host_sources("bookworm", ["main"], tmp_path / "none") == []
    assert len(default_sources("bookworm", ["main"])) == 3


# -- libraries -------------------------------------------------------------------------------------------------------


def test_libraries_of_real_programs() -> None:
    shell = Path("/bin/sh").resolve().read_bytes()
    program, libraries = needed(shell)
    if not libraries:
        pytest.skip("/bin/sh here is no 64-bit program with shared libraries")
    assert program
    assert any(name.startswith("libc.") for name in libraries)
    assert needed(shell[:100]) == (False, [])
    assert needed(b"#!/bin/sh\n") == (False, [])

    def info(name: str) -> tarfile.TarInfo:
        return tarfile.TarInfo(name)

    watch = Libraries()
    assert len(list(watch.watch([(info("usr/bin/sh"), shell)]))) == 1
    assert set(libraries) <= watch.missing().keys()
    assert set(watch.missing().values()) == {"sh"}
    plugin = Libraries()
    list(plugin.watch([(info("usr/lib/plugin.so"), shell)]))
    assert plugin.missing() == {}, "a plug-in that nobody needs"


# -- mmdebstrap ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["E: Version '1.2' for 'curl' was not found"], "does not have curl 1.2 any more"),
        (["E: Unable to locate package nonsense"], "does not have the package nonsense"),
        (["Err: x", "E: Failed to fetch http://m/x  Could not resolve 'm'"], "cannot reach the mirror: Failed to fetch http://m/x"),
        (["tar: write error: No space left on device", "E: tar failed"], "the disk is full"),
        (["E: unable to pick chroot mode automatically", "E: cannot unshare"], "run the build as root"),
        (["I: something", "E: setup failed: x"], "mmdebstrap failed: setup failed: x"),
        ([], "printed nothing"),
    ],
)
def test_why_mmdebstrap_failed(said: list[str], words: str) -> None:
    assert words in why(said)


def fake(tmp_path: Path, text: str) -> list[str]:
    script = tmp_path / "fake"
    script.write_text(f"#!/bin/sh\n{text}\n")
    return ["sh", str(script)]


def test_a_tree_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"y" * 100_000)
    whole = f"tar -cf - -C {tmp_path} x"
    with tree(fake(tmp_path, f"echo 'I: creating tarball...' >&2; {whole}"), EPOCH, print) as archive:
        assert [member.name for member in archive] == ["x"]
    broken = fake(tmp_path, f"{whole} | head -c 50000; echo 'E: no luck' >&2; exit 25")
    with pytest.raises(BuildError, match="mmdebstrap failed: no luck"), tree(broken, EPOCH, print) as archive:
        list(entries(archive, Drop([]), [], EPOCH, {}))
    with (
        pytest.raises(BuildError, match="no luck"),
        tree(fake(tmp_path, f"{whole}; echo 'E: no luck' >&2; exit 25"), EPOCH, print) as archive,
    ):
        assert [member.name for member in archive] == ["x"], "all was written, and yet it failed"
    with pytest.raises(BuildError, match="mmdebstrap is not installed"), tree([str(tmp_path / "none")], EPOCH, print):
        pass


# -- in place --------------------------------------------------------------------------------------------------------


def test_putting_in_place(tmp_path: Path) -> None:
    with building(tmp_path, "x") as folder:
        (folder / "a").write_bytes(b"one")
        assert not (tmp_path / "x").exists()
        settle(folder, tmp_path, "x")
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "x", check=False, timeout=60).returncode == 0
    with pytest.raises(FileExistsError), building(tmp_path, "x") as folder:
        (folder / "a").write_bytes(b"half") and folder.mkdir()
    assert (tmp_path / "x" / "a").read_bytes() == b"one"
    with building(tmp_path, "x") as folder:
        (folder / "b").write_bytes(b"two")
        settle(folder, tmp_path, "x")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["SHA256SUMS", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.lock", "x"]


def test_one_build_at_a_time(tmp_path: Path) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with building(tmp_path, "x"):
                refused.append("")
        except BuildError as error:
            refused.append(str(error))

    with building(tmp_path, "x"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(60)
    other()
    assert refused == ["image x is being built by another process", ""]
