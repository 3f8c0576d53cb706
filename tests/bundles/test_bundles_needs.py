"""What a plan needs is found: roles with all that they require, their packages, and the systems."""

from __future__ import annotations

from bundle_lab import PLAN, manifest_of
from msgspec.structs import replace

from engine.bundles import needs
from engine.bundles.differ import differences
from engine.definitions import Catalog, RoleDef
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.plan import Plan


def plan(text: str = "") -> Plan:
    return read(text or PLAN.read_text(), "plan.yml", shipped())


def with_packages(**packages: dict[str, tuple[str, ...]]) -> Catalog:
    catalog = shipped()
    roles: dict[str, RoleDef] = {
        name: replace(role, packages=packages.get(name.replace("-", "_"), {})) for name, role in catalog.roles.items()
    }
    return replace(catalog, roles=roles)


def test_what_roles_require_counts_too() -> None:
    found = needs.roles(plan(), shipped())
    assert {"ready", "ntp-client", "ntp-server", "network", "os-install", "raid-configure", "inventory"} <= set(found)
    assert "example-motd" not in found


def test_packages_of_a_required_role_of_the_admin_node_and_of_a_network() -> None:
    catalog = with_packages(
        ntp_client={"debian": ("chrony", "jq"), "redhat": ("chrony",)},
        ntp_server={"debian": ("chrony-server",)},
        network={"debian": ("ifenslave",)},
        example_motd={"debian": ("figlet",)},
    )
    assert needs.packages(plan(), catalog, "debian") == ["chrony", "chrony-server", "ifenslave", "jq"]
    assert needs.packages(plan(), catalog, "redhat") == ["chrony"]
    assert "package-sources" in needs.roles(plan(), catalog), "roles that install packages bring it"


def test_systems() -> None:
    assert needs.systems(plan(), shipped()) == ["debian-12"]
    text = PLAN.read_text()
    both = text.replace("  cloud:", "  other: {attributes: {target-os: debian-13}}\n  cloud:", 1)
    assert needs.systems(plan(both), shipped()) == ["debian-12", "debian-13"]
    assert [needs.family_of(name) for name in ("debian-13", "ubuntu-24.04", "alma-9", "plan9")] == ["debian", "debian", "redhat", ""]
    assert needs.sources("debian-99", "http://x", whole=True) == []


def test_what_differs() -> None:
    deb = "packages/deb.debian.org/debian/pool/main/a/alpha/alpha_%s_all.deb"
    old = manifest_of({"plan.yml": b"1", deb % "1.0": b"1", deb.replace("alpha", "beta") % "1%3a2": b"2"})
    new = replace(manifest_of({"plan.yml": b"2", deb % "1.1": b"1", "wheels/x-1-py3-none-any.whl": b""}), program="0.3.0")
    assert [(one.kind, one.name, one.old, one.new) for one in differences(old, new) if one.kind != "plan"] == [
        ("package", "alpha", "1.0", "1.1"),
        ("package", "beta", "1:2", ""),
        ("program", "crowbar-tui", "0.2.0", "0.3.0"),
        ("wheel", "x", "", "1"),
    ]
    assert differences(old, old) == []
