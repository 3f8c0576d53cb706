"""A bundle made with the real apt is carried to another site, where the real apt installs from it without the outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from apt_site import MISSING, AptNode, AptSite
from bundle_lab import PLAN_PACKAGES, tree, with_greeter
from http_rig import Rig

from crowbar_tui.cli import main
from engine.files.clamps.index import imports
from engine.files.clamps.site import site_catalog
from engine.netboot.install_answers import mirrored

pytestmark = [pytest.mark.client, pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} is missing: apt install apt gnupg dpkg")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AptSite]:
    made = AptSite(tmp_path_factory.mktemp("site"), PLAN_PACKAGES | {"alpha": "beta", "beta": "", "gamma": ""})
    yield made
    made.stop()


def create(store: Path, plan: Path, file: Path, site: AptSite) -> int:
    words = ["--mirror", f"debian-12={site.url}", "--keys", str(site.keys), "--without", "images", "--without", "wheels"]
    return main(["--store", str(store), "bundle", "create", str(plan), "-o", str(file), *words])


def test_a_rack_without_the_outside_installs_what_the_bundle_brought(
    tmp_path: Path, site: AptSite, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "rack.crowbar"
    plan = with_greeter(here, tmp_path)
    assert create(here, plan, file, site) == 0
    key = capsys.readouterr().out.partition("signed with the key ")[2].split()[0]
    again = tmp_path / "again.crowbar"
    assert create(here, plan, again, site) == 0
    assert again.read_bytes() == file.read_bytes(), "the same inputs give the same bytes"
    site.stop()
    try:
        assert create(here, plan, again, site) == 0, "lists that are kept do when the mirror is away"
        assert main(["--store", str(there), "bundle", "open", str(file), "--key", key]) == 0
        assert [one.name for one in imports(there)] == ["greeter"]
        assert (there / "bundle/plan.yml").read_bytes() == plan.read_bytes()
        debs = sorted(name.rpartition("/")[2] for name in tree(there / "mirrors/current") if name.endswith(".deb"))
        assert debs == sorted(f"{name}_1.0_all.deb" for name in ("alpha", "beta", *PLAN_PACKAGES)), "with what it needs, and nothing else"
        rig = Rig(there / "rig", upstream=lambda name, path: mirrored(site_catalog(there), name, path))
        try:
            (there / "rig/mirrors").mkdir()
            (there / "rig/mirrors/current").symlink_to(there / "mirrors/current")
            node = AptNode(tmp_path / "node", f"{rig.url}/packages/debian-12/debian", site.keys)
            done = node.install("alpha")
            assert done.returncode == 64, done.stdout + done.stderr
            assert node.has("beta")
        finally:
            rig.stop()
    finally:
        site.start()


def test_a_package_that_no_mirror_has_is_named(tmp_path: Path, site: AptSite, capsys: pytest.CaptureFixture[str]) -> None:
    plan = with_greeter(tmp_path / "store", tmp_path)
    other = AptSite(tmp_path / "other", PLAN_PACKAGES | {"gamma": ""})
    try:
        assert create(tmp_path / "store", plan, tmp_path / "rack.crowbar", other) == 1
    finally:
        other.stop()
    told = capsys.readouterr().err
    assert told.startswith("crowbar: packages of debian-12: apt-get install failed: E: Unable to locate package alpha")
    assert not (tmp_path / "rack.crowbar").exists()


def test_lists_that_others_signed_are_refused(tmp_path: Path, site: AptSite, capsys: pytest.CaptureFixture[str]) -> None:
    plan = with_greeter(tmp_path / "store", tmp_path)
    other = AptSite(tmp_path / "other", PLAN_PACKAGES | {"alpha": ""})
    try:
        words = ["--mirror", f"debian-12={other.url}", "--keys", str(site.keys), "--without", "images", "--without", "wheels"]
        assert main(["--store", str(tmp_path / "store"), "bundle", "create", str(plan), "-o", str(tmp_path / "x"), *words]) == 1
    finally:
        other.stop()
    assert "packages of debian-12: apt-get update failed: " in capsys.readouterr().err


def test_an_image_that_is_missing_is_named(tmp_path: Path, site: AptSite, capsys: pytest.CaptureFixture[str]) -> None:
    plan = with_greeter(tmp_path / "store", tmp_path)
    assert main(["--store", str(tmp_path / "store"), "bundle", "create", str(plan), "-o", str(tmp_path / "x")]) == 1
    assert "crowbar image build debian-12, or leave the images out (--without images)" in capsys.readouterr().err
