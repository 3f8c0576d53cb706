"""Collects the parts of a bundle on this machine: the plan, images from the shelf, imported barclamps, firmware,
packages, sources and wheels."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from ..definitions import Catalog
from ..files.clamps.index import active, imports
from ..files.clamps.sources import from_path
from ..files.firmware_shelf import FOLDER as FIRMWARE
from ..files.firmware_shelf import FirmwareShelf
from ..files.paths import images_folder, shipped_folder
from ..images.shelf import SUMS
from ..images.wanted import missing as missing_images
from ..images.wanted import wanted as wanted_images
from ..plan import Plan
from . import BundleError, needs
from .manifest import BARCLAMPS, PLAN
from .private_apt import PrivateApt
from .recorder import Recorder
from .sources import from_source

LEAVE_OUT = ("firmware", "images", "packages", "sources", "wheels")
"""What `--without` may name."""
CACHE = "bundle-packages"
"""Folder of the store that keeps packages between two bundles."""
KEYS = {"debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg"), "ubuntu": Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")}
"""First part of a system's name -> the keys that sign its lists, on this machine."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
WHEELS_S = 900.0


class Wish(Struct, frozen=True, kw_only=True):
    """What the bundle is made of."""

    store: Path
    plan: Plan
    plan_text: str
    catalog: Catalog
    version: str
    """Of this program."""
    without: tuple[str, ...] = ()
    """From LEAVE_OUT."""
    wheels: Path | None = None
    """Folder of wheels to take. None: they are made."""
    mirrors: Mapping[str, str] = {}
    """System -> URL of a mirror that is asked in place of the catalogue's."""
    keys: Path | None = None
    """Keys that sign the lists of packages, in place of this machine's."""


Found = dict[str, Path | bytes]
"""Part -> the file that holds it, or its content."""
Tell = Callable[[str], None]


def collect(wish: Wish, work: Path, tell: Tell) -> tuple[Found, list[str], list[str]]:
    """All parts; the systems whose packages are among them; and what is left out, in sentences. Raises BundleError and OSError. `work`:
    a folder for what is made on the way."""
    found: Found = {PLAN: wish.plan_text.encode()}
    left_out = [f"{kind}: left out as ordered" for kind in wish.without]
    if "images" not in wish.without:
        found |= _images(wish)
    found |= _barclamps(wish)
    if "firmware" not in wish.without:
        files, lacking = _firmware(wish)
        found |= files
        left_out += lacking
    systems: list[str] = []
    if "packages" not in wish.without:
        for system in needs.systems(wish.plan, wish.catalog):
            more, why = _packages(wish, system, work, tell)
            found |= more
            if more:
                systems.append(system)
            if why:
                left_out.append(why)
    if "sources" not in wish.without:
        found |= from_source(wish.store, wish.plan, wish.catalog, work, tell)
    if "wheels" not in wish.without:
        found |= _wheels(wish, work, tell)
    return found, systems, left_out


def _images(wish: Wish) -> Found:
    """The images that the plan's servers boot and install."""
    names = {*wanted_images(wish.plan), *(name for name in needs.systems(wish.plan, wish.catalog) if name in wish.catalog.images)}
    lacking = missing_images(wish.store, wish.plan)
    for name in sorted(names):
        if name in lacking or not (images_folder(wish.store) / name / SUMS).is_file():
            why = lacking.get(name, f"image {name} was not built on this machine")
            raise BundleError(f"{why}: crowbar image build {name}, or leave the images out (--without images)")
    out: Found = {}
    for name in sorted(names):
        for file in sorted((images_folder(wish.store) / name).iterdir()):
            if file.is_file() and not file.name.startswith("."):
                out[f"images/{name}/{file.name}"] = file
    return out


def _firmware(wish: Wish) -> tuple[Found, list[str]]:
    """The makers' files that the plan names in `firmware-wanted`, from the store's folder; and what is not there."""
    plan = wish.plan
    places = [plan.attributes, *(one.attributes for one in plan.deployments.values()), *(one.attributes for one in plan.rules)]
    wishes = [one for place in places if isinstance(told := place.get("firmware-wanted"), list) for one in told]
    names = {str(one["file"]) for one in wishes if isinstance(one, dict) and one.get("file")}
    shelf = FirmwareShelf(wish.store)
    there = {name: found.path for name in sorted(names) if (found := shelf.file(name)) is not None}
    out: Found = {f"{FIRMWARE}/{name}": path for name, path in there.items()}
    return out, [f"firmware: {name} is not in {shelf.folder}" for name in sorted(names - set(there))]


def _barclamps(wish: Wish) -> Found:
    """The barclamps that the site imported and that count, in one archive that `crowbar barclamp import` takes too."""
    data = io.BytesIO()
    counts = active(imports(wish.store))
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(counts):
            files = from_path(counts[name].folder(wish.store) / name).barclamps[name]
            for path, content in sorted(files.items()):
                entry = tarfile.TarInfo(f"{name}/{path}")
                entry.size, entry.mode = len(content.data), 0o755 if content.executable else 0o644
                archive.addfile(entry, io.BytesIO(content.data))
    return {BARCLAMPS: data.getvalue()} if counts else {}


def _packages(wish: Wish, system: str, work: Path, tell: Tell) -> tuple[Found, str]:
    """The packages of one system, and why there are none."""
    family = needs.family_of(system)
    names = needs.packages(wish.plan, wish.catalog, family) if family else []
    if family != "debian":
        return (
            {},
            f"packages of {system}: only apt's packages can be put into a bundle; give its nodes a mirror (package-mirror)"
            if names
            else "",
        )
    keys = wish.keys or KEYS[system.partition("-")[0]]
    if not keys.is_file():
        raise BundleError(f"the keys that sign the packages of {system} are missing here: {keys}; install them, or name others (--keys)")
    image = wish.catalog.images.get(system)
    arch = ARCHITECTURES.get(image.arch if image is not None else "x86_64", "amd64")
    tell(f"packages of {system}: {' '.join(names) or 'no role names any, so only the lists'}")
    with Recorder(wish.store / CACHE, wish.catalog, wish.mirrors) as recorder:
        sources = needs.sources(system, recorder.url, whole=system not in wish.mirrors)
        if not sources:
            return (
                {},
                f"packages of {system}: this program does not know the release in its mirrors; give its nodes a mirror (package-mirror)",
            )
        try:
            PrivateApt(work / f"apt-{system}", sources, keys.absolute(), arch).fetch(names)
        except BundleError as error:
            told = f" ({recorder.failures[0]})" if recorder.failures else ""
            raise BundleError(f"packages of {system}: {error}{told}") from error
        return {f"packages/{path}": file for path, file in recorder.files.items()}, ""


def _wheels(wish: Wish, work: Path, tell: Tell) -> Found:
    """This program and what it needs, for pip."""
    folder = wish.wheels
    if folder is None:
        folder = work / "wheels"
        tell("wheels of this program")
        _make_wheels(folder)
    files = sorted(folder.glob("*.whl"))
    own = [file for file in files if file.name.startswith(f"crowbar_tui-{wish.version}-")]
    if not own:
        raise BundleError(
            f"{folder} has no wheel of this program in version {wish.version}: name another folder (--wheels), or --without wheels"
        )
    return {f"wheels/{file.name}": file for file in files}


def _make_wheels(folder: Path) -> None:
    """Of a checkout: the wheel of the program, and those of its requirements. Raises BundleError."""
    root = shipped_folder("engine").parent
    advice = "name a folder that has them (--wheels), or --without wheels"
    if not (root / "pyproject.toml").is_file():
        raise BundleError(f"this program runs from an installation, which cannot make its own wheels: {advice}")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    steps = (
        [*pip, "wheel", "--no-deps", "-w", str(folder), str(root)],
        [*pip, "download", "--only-binary=:all:", "-r", str(root / "requirements.lock"), "-d", str(folder)],
    )
    for words in steps:
        # 1980-01-01, the earliest time in a zip: so a wheel made twice has the same bytes
        environment = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WHEELS_S, check=False, env=environment
            )
        except subprocess.TimeoutExpired:
            raise BundleError(f"pip took more than {WHEELS_S / 60:.0f} minutes: {advice}") from None
        if done.returncode != 0:
            line = next((text for text in done.stderr.splitlines() if "ERROR" in text), "pip says nothing")
            raise BundleError(f"the wheels of this program cannot be made here ({line.strip()[:200]}): {advice}")


def sums(found: Found) -> Iterator[tuple[str, int, str]]:
    """Name, size and SHA-256 of each part, by name. Raises OSError."""
    for name in sorted(found):
        content = found[name]
        if isinstance(content, bytes):
            yield name, len(content), hashlib.sha256(content).hexdigest()
            continue
        with content.open("rb") as file:
            yield name, content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
