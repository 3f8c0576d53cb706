"""A bundle from a stream: bounded in size and time, and nothing of it is written before its signer is known."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bundle_lab import KEY, PARTS, bundle, manifest_of, tree

from engine.bundles import BundleError
from engine.bundles.manifest import Manifest, Part
from engine.bundles.receiving import BoundedStream, receive_bundle
from engine.bundles.tape import write
from engine.trust.bundle_key import bundle_key, fingerprint

LARGE = 1 << 30


@contextmanager
def sent(data: bytes, close: bool = True) -> Iterator[int]:
    """A pipe into which somebody writes."""
    out, into = os.pipe()

    def writing() -> None:
        try:
            with os.fdopen(into, "wb", closefd=close) as stream:
                stream.write(data)
        except BrokenPipeError:
            """The reader has had enough."""

    thread = threading.Thread(target=writing, daemon=True)
    thread.start()
    try:
        yield out
    finally:
        os.close(out)
        thread.join(60)
        if not close:
            os.close(into)


def test_the_sites_own_key_and_a_named_key(tmp_path: Path) -> None:
    keys = tmp_path / "store.keys"
    with sent(bundle(key=bundle_key(keys))) as stream:
        receive_bundle(tmp_path / "own", stream, keys, "", LARGE)
    with sent(bundle()) as stream:
        receive_bundle(tmp_path / "named", stream, keys, fingerprint(KEY.public), LARGE)
    for name in ("own", "named"):
        assert (tmp_path / name / "bundle" / "plan.yml").read_bytes() == PARTS["plan.yml"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bundle(), "which is not this site's own"),
        (bundle()[:700], "ends too early"),
        (b"", "ends too early"),
        (b"A" * 5_000_000, "is not a bundle"),
        (bundle()[:530] + b"~" + bundle()[531:], "does not fit its manifest"),
    ],
)
def test_nothing_of_a_strangers_stream_is_written(tmp_path: Path, data: bytes, told: str) -> None:
    store = tmp_path / "store"
    with sent(data) as stream, pytest.raises(BundleError, match=told):
        receive_bundle(store, stream, tmp_path / "store.keys", "", LARGE)
    assert tree(store) == {}


def test_a_size_that_is_only_promised_is_refused_at_once(tmp_path: Path) -> None:
    """The manifest is signed by a key that counts, and its parts never come."""
    store, keys = tmp_path / "store", tmp_path / "store.keys"
    part = Part(name="wheels/x.whl", size=LARGE + 1, sha256="0" * 64)
    manifest = Manifest(format=1, program="0.2.0", site="r07", parts=(part,))
    out = io.BytesIO()
    with pytest.raises(BundleError, match="changed while"):
        write(out, manifest, bundle_key(keys), lambda _part: io.BytesIO(b""))
    with sent(out.getvalue()) as stream, pytest.raises(BundleError, match=r"holds 1,073,741,825 bytes, and 1,073,741,824 is the most"):
        receive_bundle(store, stream, keys, "", LARGE)
    assert tree(store) == {}


def test_more_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "store.keys"
    with sent(bundle(key=bundle_key(keys)) + b"x") as stream, pytest.raises(BundleError, match="goes on behind its last part"):
        receive_bundle(tmp_path / "store", stream, keys, "", LARGE)
    assert tree(tmp_path / "store") == {}
    assert manifest_of(PARTS).octets < LARGE


def test_a_stream_is_bounded() -> None:
    with sent(b"x" * 100) as stream:
        bounded = BoundedStream(stream, 64)
        assert bounded.read(50)
        with pytest.raises(BundleError, match="larger than 64 bytes"):
            bounded.read(50)
    with sent(b"x" * 10, close=False) as stream:
        bounded = BoundedStream(stream, 64, idle_s=0.01)
        assert bounded.read(10) == b"x" * 10
        with pytest.raises(BundleError, match=r"nothing of the upload came for 0\.01 s"):
            bounded.read(10)
    times = iter((0.0, 5.0, 11.0))
    with sent(b"x" * 10) as stream:
        bounded = BoundedStream(stream, 64, whole_s=10.0, clock=lambda: next(times))
        assert bounded.read(5) == b"x" * 5
        with pytest.raises(BundleError, match="took longer than 10 s"):
            bounded.read(5)
