"""The real apt and dpkg install a role's packages through the engine's cache: with the outside, without it, and without the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from apt_site import MISSING, AptNode, AptSite
from http_rig import Rig

pytestmark = [pytest.mark.client, pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} is missing: apt install apt gnupg dpkg")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AptSite]:
    site = AptSite(tmp_path_factory.mktemp("site"), {"alpha": "beta", "beta": "", "gamma": ""})
    yield site
    site.stop()


@pytest.fixture
def site(made: AptSite) -> AptSite:
    if made.server is None:
        made.start()
    made.asked.clear()
    return made


@pytest.fixture
def rig(tmp_path: Path, site: AptSite) -> Iterator[Rig]:
    rig = Rig(tmp_path / "rig", upstream=lambda name, path: f"{site.url}/{path}" if name == "debian-12" else None)
    yield rig
    rig.stop()


def node(folder: Path, rig: Rig, site: AptSite) -> AptNode:
    return AptNode(folder, f"{rig.url}/packages/debian-12", site.keys)


def test_a_role_gets_its_packages_and_what_they_need(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    one = node(tmp_path / "one", rig, site)
    done = one.install("alpha")
    assert done.returncode == 64, done.stdout + done.stderr
    assert done.stdout.startswith("packages: installing alpha\n")
    assert done.stdout.endswith("the role runs\n")
    assert one.has("alpha")
    assert one.has("beta")
    again = one.install("alpha")
    assert (again.returncode, again.stdout) == (64, "the role runs\n"), "nothing is installed twice"


def test_an_install_that_was_interrupted_is_finished_first(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    one = node(tmp_path / "one", rig, site)
    assert one.install("beta").returncode == 64
    folder = one.root / "var/lib/dpkg"
    status = (folder / "status").read_text()
    (folder / "updates/0000").write_text(status.replace("Status: install ok installed", "Status: install ok unpacked"))
    done = one.install("gamma")
    assert done.returncode == 64, done.stdout + done.stderr
    assert "packages: an earlier install was interrupted, and is finished first\n" in done.stdout
    assert one.has("gamma")
    assert "unpacked" not in (folder / "status").read_text()
    assert not list((folder / "updates").iterdir())


def test_without_the_outside_what_is_cached_is_installed_and_the_rest_is_named(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    assert node(tmp_path / "one", rig, site).install("alpha").returncode == 64
    site.stop()
    two = node(tmp_path / "two", rig, site)
    done = two.install("alpha")
    assert done.returncode == 64, done.stdout + done.stderr
    assert two.has("beta")
    done = two.install("alpha", "gamma")
    assert done.returncode == 67
    assert done.stderr.splitlines()[-1].startswith("packages: missing gamma: E: Failed to fetch ")
    assert "502" in done.stderr.splitlines()[-1]
    assert not two.has("gamma")


def test_without_the_cache_it_says_what_is_missing(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    rig.stop()
    done = node(tmp_path / "one", rig, site).install("alpha")
    assert done.returncode == 67
    assert done.stderr.startswith("packages: missing alpha: ")


def test_a_list_that_is_not_signed_by_the_distribution_is_refused(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    release = site.folder / "dists/bookworm/InRelease"
    before = release.read_bytes()
    release.write_bytes(before.replace(b"Label: Test", b"Label: Tent"))
    try:
        done = node(tmp_path / "one", rig, site).install("alpha")
    finally:
        release.write_bytes(before)
    assert done.returncode == 67
    assert "missing alpha" in done.stderr
    assert "the role runs" not in done.stdout


def test_a_name_that_is_no_package_reaches_no_command(tmp_path: Path, rig: Rig, site: AptSite) -> None:
    done = node(tmp_path / "one", rig, site).install("alpha", "-o=APT::Update::Pre-Invoke::=false")
    assert done.returncode == 67
    assert "no package's name" in done.stderr
    assert site.asked == []
