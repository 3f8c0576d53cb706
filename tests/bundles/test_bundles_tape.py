"""A bundle's bytes: the same parts give the same ones, and whatever is wrong with a file is said in one sentence."""

from __future__ import annotations

import io
import tarfile

import pytest
from bundle_lab import KEY, PARTS, bundle, manifest_of
from hypothesis import given
from hypothesis import strategies as st

from engine.bundles import BundleError
from engine.bundles.manifest import KINDS, Manifest, Part, check, decode, encode
from engine.bundles.tape import Tape, pinned, write
from engine.trust.bundle_key import BundleKey

WHOLE = bundle()


def read(data: bytes) -> dict[str, bytes]:
    tape = Tape(io.BytesIO(data), "rack.crowbar")
    return {part.name: b"".join(pieces) for part, pieces in tape.parts()}


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as error:
        read(data)
    return str(error.value)


def test_what_was_written_is_read() -> None:
    assert read(WHOLE) == PARTS


def test_the_same_parts_and_key_give_the_same_bytes() -> None:
    assert bundle(dict(reversed(list(PARTS.items())))) == WHOLE
    assert bundle(key=BundleKey(b"o" * 32)) != WHOLE


def test_any_tar_program_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as tar:
        assert tar.getnames() == ["manifest.json", "manifest.sig", *sorted(PARTS)]
        assert {(one.mtime, one.uid, one.gid, one.mode, one.type) for one in tar} == {(0, 0, 0, 0o644, tarfile.REGTYPE)}


@given(st.integers(0, 8 * len(WHOLE) - 1))
def test_a_flipped_bit_is_found(at: int) -> None:
    changed = bytearray(WHOLE)
    changed[at // 8] ^= 1 << at % 8
    assert refusal(bytes(changed)).count("\n") == 0


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_off_is_found(size: int) -> None:
    assert "ends too early" in refusal(WHOLE[:size])


def test_what_is_wrong_is_said() -> None:
    parts = {name: data for name, data in PARTS.items() if name != "plan.yml"}
    head = WHOLE.index(b"images/loader/SHA256SUMS\0")
    without = WHOLE[:head] + bundle(parts)[bundle(parts).index(b"images/loader/SHA256SUMS\0") :]
    assert refusal(without) == ("rack.crowbar lacks the part plan.yml, or holds something else in its place: copy the bundle again")
    damaged = WHOLE.replace(b"signed by Debian", b"signed by debian")
    assert "InRelease of rack.crowbar is damaged: its SHA-256 is not that of the manifest" in refusal(damaged)
    assert "goes on behind its last part" in refusal(WHOLE + b"more")
    assert "does not fit its manifest, so it is damaged or was changed" in refusal(WHOLE.replace(b'"r07"', b'"r08"'))
    assert "is not a bundle: it does not begin with manifest.json" in refusal(b"PK\x03\x04" + bytes(2000))
    assert "is not a bundle" in refusal(bytes(2000))


def test_another_key() -> None:
    tape = Tape(io.BytesIO(WHOLE), "rack.crowbar")
    pinned(tape, "rack.crowbar", "")
    pinned(tape, "rack.crowbar", "sha256:" + tape.fingerprint.upper())
    with pytest.raises(BundleError, match=f"signed with the key {tape.fingerprint}, and not with 00"):
        pinned(tape, "rack.crowbar", "00" * 32)


def test_a_member_that_says_it_is_huge_is_not_read() -> None:
    """The header's size is octal text of its own; only the signed one counts."""
    at = WHOLE.index(b"plan.yml\0")
    bomb = bytearray(WHOLE)
    bomb[at + 124 : at + 135] = b"77777777777"
    assert "lacks the part plan.yml" in refusal(bytes(bomb))


def part(name: str, size: int = 1, sha256: str = "0" * 64) -> Part:
    return Part(name=name, size=size, sha256=sha256)


@pytest.mark.parametrize(
    "parts",
    [
        (part("../etc/passwd"),),
        (part("images/../../etc/passwd"),),
        (part("/etc/passwd"),),
        (part("images//x"),),
        (part("images/loader/.."),),
        (part("images/loader/.hidden"),),
        (part("etc/passwd"),),
        (part("images"),),
        (part("images/a\nb"),),
        (part("images/" + "x/" * 30 + "y"),),
        (part("images/x"), part("images/x/y")),
        (part("images/x"), part("images/x")),
        (part("plan.yml"), part("images/x")),
        (part("images/x", size=-1),),
        (part("images/x", size=1 << 50),),
        (part("images/x", sha256="zz"),),
        tuple(part(f"images/x{i:03}", size=16 << 30) for i in range(70)),
    ],
    ids=range(17),
)
def test_a_manifest_that_no_bundle_has_is_refused_before_anything_is_written(parts: tuple[Part, ...]) -> None:
    manifest = Manifest(format=1, program="1", site="r07", parts=parts)
    with pytest.raises(BundleError):
        check(manifest)
    with pytest.raises(BundleError):
        decode(encode(manifest))


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text("abAB019._+~^:@%=,-/", min_size=1, max_size=40)), max_size=6))
def test_no_name_leads_out(names: list[tuple[str, str]]) -> None:
    manifest = Manifest(format=1, program="1", site="r", parts=tuple(part(name) for name in sorted({f"{a}/{b}" for a, b in names})))
    try:
        check(manifest)
    except BundleError:
        return
    for one in manifest.parts:
        assert all(piece not in ("", ".", "..") for piece in one.name.split("/"))


def test_another_format_says_so() -> None:
    with pytest.raises(BundleError, match="has format 2, and this program reads 1"):
        decode(b'{"format": 2, "new": []}')
    with pytest.raises(BundleError, match="is not valid"):
        decode(b"[]")


def test_a_part_that_changes_while_it_is_written_is_no_bundle() -> None:
    with pytest.raises(BundleError, match="plan.yml changed while the bundle was written"):
        write(io.BytesIO(), manifest_of({"plan.yml": b"old"}), KEY, lambda _part: io.BytesIO(b"new"))
