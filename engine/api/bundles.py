"""The part of the public API that makes, checks and opens bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..attach.desk import program_version
from ..bundles import BundleError, receiving
from ..bundles.contents import LEAVE_OUT, Wish
from ..bundles.create import create
from ..bundles.differ import Difference, differences
from ..bundles.manifest import Manifest, Part
from ..bundles.opening import close_bundle, finish, open_bundle, unfinished
from ..bundles.tape import Moved, Tape, verify
from ..definitions import versions
from ..files import plan_file
from ..files.clamps.site import site_catalog
from ..files.paths import keys_beside
from ..trust.bundle_key import bundle_key, fingerprint, own_fingerprint

__all__ = [
    "LEAVE_OUT",
    "BundleError",
    "Difference",
    "Manifest",
    "Part",
    "Tape",
    "close_bundle",
    "create_bundle",
    "differences",
    "finish",
    "open_bundle",
    "receive_bundle",
    "signer",
    "unfinished",
    "unlike",
    "verify",
]


def create_bundle(
    store: Path,
    plan: Path,
    file: Path,
    *,
    without: tuple[str, ...] = (),
    wheels: Path | None = None,
    mirrors: Mapping[str, str] | None = None,
    keys: Path | None = None,
    tell: Callable[[str], None] = lambda _text: None,
    moved: Moved = lambda _done, _all: None,
) -> tuple[Manifest, str]:
    """Makes a bundle of a plan with the images and barclamps of a store. Returns its manifest, and the fingerprint of the key that signed
    it. Raises BundleError, PlanError, CatalogError, KeyFileError, StoreError and OSError."""
    catalog = site_catalog(store)
    text = plan.read_text(encoding="utf-8")
    key = bundle_key(keys_beside(store))
    wish = Wish(
        store=store,
        plan=plan_file.read(text, str(plan), catalog),
        plan_text=text,
        catalog=catalog,
        version=program_version(),
        without=without,
        wheels=wheels,
        mirrors=mirrors or {},
        keys=keys,
    )
    return create(wish, key, file, tell, moved), fingerprint(key.public)


def receive_bundle(store: Path, descriptor: int, key: str, most: int) -> Tape:
    """Checks and opens a bundle that comes from a descriptor, for example standard input. `key`: the fingerprint that must have signed it;
    empty: this site's own key. `most`: octets that its parts may have together. Raises BundleError, StoreError, KeyFileError and OSError;
    then nothing has changed."""
    return receiving.receive_bundle(store, descriptor, keys_beside(store), key, most)


def unlike(store: Path, manifest: Manifest) -> list[str]:
    """Sentences: barclamps of this site and program that are not those with which the bundle was made. Raises CatalogError."""
    here = versions(site_catalog(store))
    return [
        f"barclamp {name} was version {version} ({digest[:12]}) where the bundle was made, and is "
        + (f"{here[name][0]} ({here[name][1][:12]}) here" if name in here else "not here")
        for name, (version, digest) in sorted(manifest.barclamps.items())
        if here.get(name) != (version, digest)
    ]


def signer(store: Path, tape: Tape) -> str:
    """Who signed a bundle, in words. Raises KeyFileError, OSError."""
    own = own_fingerprint(keys_beside(store))
    return f"signed with the key {tape.fingerprint}" + (", which is this site's own" if own == tape.fingerprint else "")
