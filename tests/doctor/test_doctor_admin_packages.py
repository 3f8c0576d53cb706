"""The packages that roles need on the admin node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.definitions import Catalog
from engine.doctor.admin_packages import family, installed, missing, wanted
from engine.files.catalog import shipped


def catalog() -> Catalog:
    known = shipped()
    server, client = known.roles["ntp-server"], known.roles["ntp-client"]
    needs = {"debian": ("dpkg", "crowbar-has-no-such-package"), "redhat": ("rpm",)}
    roles = {"ntp-server": replace(server, packages=needs), "ntp-client": replace(client, packages={"debian": ("not-here",)})}
    bare = {name: replace(role, packages={}) for name, role in known.roles.items()}
    return replace(known, roles=bare | roles)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ID=debian\n", "debian"),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', "debian"),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', "redhat"),
        ("ID=mint\nID_LIKE='ubuntu debian'\n", "debian"),
        ("ID=plan9\n", ""),
        ("", ""),
    ],
)
def test_the_family(text: str, found: str) -> None:
    assert family(text) == found


def test_only_roles_of_the_admin_node_count() -> None:
    assert wanted(catalog(), "debian") == {"dpkg": "ntp-server", "crowbar-has-no-such-package": "ntp-server"}
    assert wanted(catalog(), "redhat") == {"rpm": "ntp-server"}


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="dpkg-query is missing: this is no Debian")
def test_dpkg_says_what_is_missing(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=debian\n")
    assert installed("debian", ["dpkg", "crowbar-has-no-such-package"]) == {"dpkg"}
    lacks = "crowbar-has-no-such-package"
    assert missing(catalog(), release) == [(lacks, "ntp-server", f"apt install {lacks}")]
    assert missing(catalog(), tmp_path / "none") == []
