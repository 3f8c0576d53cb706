"""Services from source in bundles: the repository and its wheels are carried, twice with the same bytes, and used where there is nothing else."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from bundle_lab import KEY, PLAN, bundle
from msgspec.structs import replace

sys.path.append(str(Path(__file__).resolve().parents[1] / "sources"))

from source_lab import Upstream
from test_sources_build import apart_is_possible

from engine.bundles import BundleError, needs
from engine.bundles.opening import open_bundle
from engine.bundles.sources import from_source
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.plan import Plan
from engine.sources.build import built, resolve
from engine.trust.bundle_key import fingerprint


def plan_of(url: str, revision: str = "v1.0") -> Plan:
    text = PLAN.read_text().replace("ntp-client: all\n", "ntp-client: all\n      about-page: all\n")
    plan = plan_file.read(text, "plan", shipped())
    return replace(plan, attributes={"source-index": "", "gunicorn-source": {"repository": url, "revision": revision}})


def test_what_a_plan_wants_from_source() -> None:
    (build,) = needs.builds(plan_of("https://example.org/x"), shipped())
    assert (build.name, build.wish.repository, build.wish.revision) == ("gunicorn", "https://example.org/x", "v1.0")
    assert needs.builds(plan_file.read(PLAN.read_text(), "plan", shipped()), shipped()) == []


@pytest.mark.parametrize("name", ["sources/abc.git/config", "sources/hooks", f"sources/{'0' * 24}.git/HEAD", "sources/built-x/a"])
def test_a_bundle_brings_no_mirror(tmp_path: Path, name: str) -> None:
    file = tmp_path / "rack.crowbar"
    file.write_bytes(bundle({"plan.yml": b"crowbar: 1\n", name: b"[core]\n"}))
    with pytest.raises(BundleError, match="which is no repository and no build"):
        open_bundle(tmp_path / "store", file, fingerprint(KEY.public))
    assert not (tmp_path / "store" / "sources").exists()


@pytest.mark.slow
@pytest.mark.skipif(not apart_is_possible(), reason="git is missing, or this system allows no namespaces")
def test_a_build_is_carried(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream")
    commit = upstream.release("1.0")
    upstream.release("2.0")
    plan = plan_of(upstream.url)
    here, there = tmp_path / "here", tmp_path / "there"
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        parts = from_source(here, plan, shipped(), tmp_path / name, lambda _text: None)
        made.append({part: one if isinstance(one, bytes) else one.read_bytes() for part, one in parts.items()})
    assert made[0] == made[1], "the same plan gives the same bytes"
    assert len([name for name in made[0] if name.endswith(".bundle")]) == 1
    file = tmp_path / "rack.crowbar"
    file.write_bytes(bundle({"plan.yml": b"crowbar: 1\n"} | made[0]))
    shutil.rmtree(here)
    shutil.rmtree(upstream.folder)
    open_bundle(there, file, fingerprint(KEY.public))
    (build,) = needs.builds(plan, shipped())
    found = resolve(there / "sources", build)
    assert (found.inputs.commit, found.note) == (commit, "")
    with open(os.devnull, "wb") as nothing:
        kept = built(there / "sources", found, [], nothing.fileno())
        assert {f"sources/built-{kept.key}/{one.name}" for one in kept.manifest.files} <= set(made[0]), "nothing was built again"
        shutil.rmtree(kept.folder)
        again = built(there / "sources", found, [], nothing.fileno())
    assert again.manifest == kept.manifest, "the repository of the bundle builds the same"
