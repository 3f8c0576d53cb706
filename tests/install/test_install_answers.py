"""Files of answers: as they were meant (golden files), fit for each distribution's own reader, without secrets, and refused where a value is not fit.

`CROWBAR_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine.definitions import ImageDef
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Allocation, Boot, Node, NodeRole, State, Value, Way
from engine.netboot.install_answers import asked, mirror, mirrored, render, values, with_places
from engine.reasons import Reason, sentence

GOLDEN = Path(__file__).parent / "golden"
NONCE = "0123456789abcdef0123456789abcdef"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFa crowbar"
URL = "http://192.168.124.10"
PLAN = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, admin: {address: 192.168.124.10}}
networks:
  admin:
    subnet: 192.168.124.0/24
    router: 192.168.124.1
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
deployments:
  cloud: {roles: {ready: all}}
"""
CATALOG = shipped()
INSTALLERS = sorted(name for name, image in CATALOG.images.items() if image.kind == "installer")
FILES = [(name, file) for name in INSTALLERS for file in CATALOG.images[name].answers]


def asking(image: ImageDef, **set_by_operator: Any) -> WorldRig:
    """A node that boots the installer, with its nonce."""
    d = WorldRig(CATALOG, plan_file.read(PLAN, "plan.yml", CATALOG))
    boot = Boot(generation=1, way=Way.INSTALLER, environment=image.name, ordered=True, at=0.0, deadline=1e9, nonce="h1")
    d.server(name="web-1.r07.example.net", stage="install", allocated=True, boot=boot, runs="", alive=False)
    d.put(Allocation(address="192.168.124.81", network="admin", range="host", node="n1"))
    given = {"install-method": image.method, "target-os": image.installs, **{k.replace("_", "-"): v for k, v in set_by_operator.items()}}
    for name, value in given.items():
        d.put(Value(layer="operator", scope="n1", name=name, value=value, who="test"))
    d.role("os-install", state=State.WAITING)
    return d


def seen(image: ImageDef, **set_by_operator: Any) -> dict[str, Any] | Reason:
    d = asking(image, **set_by_operator)
    found = asked(d.world, "h1")
    assert found is not None
    return values(d.world, *found, url=URL, nonce=NONCE, key=KEY)


def answers(name: str, file: str, **set_by_operator: Any) -> str:
    image = CATALOG.images[name]
    found = seen(image, **set_by_operator)
    assert isinstance(found, dict), found
    text = render(image, CATALOG.folders[f"image:{name}"], file, found)
    assert text is not None
    return text


@pytest.mark.parametrize(("name", "file"), FILES)
def test_answers_are_as_they_were_meant(name: str, file: str) -> None:
    text, golden = answers(name, file), GOLDEN / f"{name}.{file}"
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "file"), FILES)
def test_nothing_in_them_is_secret_and_nobody_can_log_in_with_a_password(name: str, file: str) -> None:
    text = answers(name, file)
    assert NONCE not in text, "the nonce is in the path only"
    assert "$secret" not in text
    assert "credential" not in text
    for wish in re.findall(r"(?i).*(?:password|rootpw|passwd).*", text):
        assert re.search(r"root-login boolean true|crypted password \*$|make-user boolean false|--lock|lock_passwd: true", wish), wish


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("locale", "en_US.UTF-8\nd-i preseed/late_command string reboot"),
        ("keyboard", 'us"; reboot'),
        ("timezone", "Etc/UTC $(reboot)"),
        ("package_mirror", "http://mirror/debian'; reboot"),
        ("package_mirror", "file:///etc/shadow"),
        ("package_proxy", "http://proxy:3128 d-i"),
        ("kernel_package", "linux-image-amd64 d-i"),
        ("packages", ["curl", "-o Dpkg::Options"]),
        ("packages", ["curl\n%post"]),
    ],
)
@pytest.mark.parametrize("name", INSTALLERS)
def test_a_value_that_is_not_fit_is_refused_with_its_name(name: str, field: str, value: Any) -> None:
    found = seen(CATALOG.images[name], **{field: value})
    assert isinstance(found, Reason), found
    assert field.replace("_", "-").removeprefix("package-").removesuffix("-package") in sentence(found)


def test_only_an_open_boot_s_nonce_opens_them() -> None:
    image = CATALOG.images["debian-12-installer"]
    d = asking(image)
    assert asked(d.world, "h2") is None
    found = asked(d.world, "h1")
    assert found is not None
    d.change(boot=None, claim="h1")
    assert asked(d.world, "h1") is None, "after hello it is worthless"


@pytest.mark.parametrize("name", INSTALLERS)
def test_the_kernel_s_words_say_where_answers_are(name: str) -> None:
    image = CATALOG.images[name]
    d = asking(image)
    node, role, _ = _found(d)
    made = with_places(image, url=URL, nonce=NONCE, source=mirror(d.world, role, image, URL))
    line = " ".join(made.arguments)
    assert "{" not in line
    assert node.boot_mac == mac(1)
    if image.method != "autoinstall":  # whose word has a `;`, and stands in the template
        assert f"{URL}/boot/answers/{NONCE}/{next(iter(image.answers))}" in line


def _found(d: WorldRig) -> tuple[Node, NodeRole, ImageDef]:
    found = asked(d.world, "h1")
    assert found is not None
    return found


def test_a_mirror_of_the_site_replaces_that_of_the_image() -> None:
    text = answers("debian-12-installer", "preseed.cfg", package_mirror="http://192.168.124.10:3142/deb.debian.org/debian")
    assert "d-i mirror/http/hostname string 192.168.124.10:3142\n" in text
    assert "d-i mirror/http/directory string /deb.debian.org/debian\n" in text
    assert "d-i apt-setup/security_host string 192.168.124.10:3142/deb.debian.org\n" in text, (
        "its installer puts /debian-security behind it"
    )


def test_debian_s_packages_come_through_the_engine_where_nothing_else_is_set() -> None:
    text = answers("debian-13-installer", "preseed.cfg")
    assert "d-i mirror/http/hostname string 192.168.124.10\n" in text
    assert "d-i mirror/http/directory string /packages/debian-13-installer/debian\n" in text
    assert "d-i apt-setup/security_host string 192.168.124.10/packages/debian-13-installer\n" in text
    by_proxy = answers("debian-13-installer", "preseed.cfg", package_proxy="http://192.168.124.10:3142")
    assert "d-i mirror/http/hostname string deb.debian.org\n" in by_proxy, "a proxy that was set is the one that is used"


def test_the_engine_s_cache_knows_the_mirrors_of_installers_and_no_others() -> None:
    assert mirrored(CATALOG, "debian-13-installer", "debian/dists/x") == "http://deb.debian.org/debian/dists/x"
    assert mirrored(CATALOG, "debian-13-installer", "debian-security/x") == "http://deb.debian.org/debian-security/x"
    assert mirrored(CATALOG, "debian-13", "debian/x") == "http://deb.debian.org/debian/x", "a system is served by its installer's mirror"
    assert mirrored(CATALOG, "alma-9", "9/BaseOS/x86_64/os/x") == "https://repo.almalinux.org/almalinux/9/BaseOS/x86_64/os/x"
    for name, path in (
        ("debian-13-installer", "ubuntu/x"),
        ("debian-13", "ubuntu/x"),
        ("debian", "debian/x"),
        ("sledgehammer", "debian/x"),
        ("example.net", "debian/x"),
    ):
        assert mirrored(CATALOG, name, path) is None


def test_the_kernel_of_debian_can_be_chosen() -> None:
    assert "base-installer/kernel/image" not in answers("debian-13-installer", "preseed.cfg")
    text = answers("debian-13-installer", "preseed.cfg", kernel_package="linux-image-cloud-amd64")
    assert "d-i base-installer/kernel/image string linux-image-cloud-amd64\n" in text


def test_an_unknown_file_is_no_answer() -> None:
    image = CATALOG.images["debian-12-installer"]
    found = seen(image)
    assert isinstance(found, dict)
    assert render(image, CATALOG.folders[f"image:{image.name}"], "user-data", found) is None


def test_a_template_with_an_undefined_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ credential }}", encoding="utf-8")
    image = replace(CATALOG.images["debian-12-installer"], answers={"a": "a.j2"})
    found = seen(image)
    assert isinstance(found, dict)
    with pytest.raises(ValueError, match="credential"):
        render(image, str(tmp_path), "a", found)


def test_a_template_cannot_reach_the_attributes_of_objects(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ ''.__class__.__mro__ }}", encoding="utf-8")
    image = replace(CATALOG.images["debian-12-installer"], answers={"a": "a.j2"})
    found = seen(image)
    assert isinstance(found, dict)
    with pytest.raises(ValueError, match="unsafe"):
        render(image, str(tmp_path), "a", found)


# -- the distributions' own readers ----------------------------------------------------------------------------------


@pytest.mark.client
def test_debconf_takes_the_preseed_file() -> None:
    tool = shutil.which("debconf-set-selections") or pytest.skip("debconf-set-selections (package debconf) is not installed")
    run = subprocess.run([tool, "-c"], input=answers("debian-12-installer", "preseed.cfg"), capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


@pytest.mark.client
@pytest.mark.parametrize(
    ("name", "version"), [("rocky-9-installer", "RHEL9"), ("alma-9-installer", "RHEL9"), ("fedora-43-installer", "F43")]
)
def test_pykickstart_takes_the_kickstart_file(name: str, version: str, tmp_path: Path) -> None:
    parser = pytest.importorskip("pykickstart.parser", reason="pykickstart (PyPI) is not installed")
    versions = pytest.importorskip("pykickstart.version")
    # The file that %pre writes with the disk; a parser without it stops there.
    text = answers(name, "kickstart").replace("/tmp/crowbar/disk.ks", str(tmp_path / "disk.ks"))
    (tmp_path / "disk.ks").write_text(
        "ignoredisk --only-use=vda\nclearpart --all --initlabel --disklabel=gpt --drives=vda\nbootloader --boot-drive=vda\n",
        encoding="ascii",
    )
    reader = parser.KickstartParser(versions.makeVersion(version))
    reader.readKickstartFromString(text)
    known = reader.handler
    assert known.rootpw.lock is True
    assert known.reboot.action is not None
    assert len(known.scripts) == 3
    assert "openssh-server" in known.packages.packageList


AUTOINSTALL: dict[str, Any] = {
    "type": "object",
    "required": ["version"],
    "additionalProperties": False,
    "properties": {
        "version": {"type": "integer", "minimum": 1, "maximum": 1},
        "locale": {"type": "string"},
        "timezone": {"type": "string"},
        "proxy": {"type": ["string", "null"], "format": "uri"},
        "refresh-installer": {"type": "object", "properties": {"update": {"type": "boolean"}}, "additionalProperties": False},
        "keyboard": {"type": "object", "properties": {"layout": {"type": "string"}}, "required": ["layout"], "additionalProperties": False},
        "source": {
            "type": "object",
            "properties": {"search_drivers": {"type": "boolean"}, "id": {"type": "string"}},
            "additionalProperties": False,
        },
        "apt": {
            "type": "object",
            "properties": {
                "mirror-selection": {
                    "type": "object",
                    "properties": {
                        "primary": {
                            "type": "array",
                            "items": {
                                "anyOf": [
                                    {"type": "string", "const": "country-mirror"},
                                    {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]},
                                ]
                            },
                        }
                    },
                },
                "geoip": {"type": "boolean"},
                "fallback": {"type": "string", "enum": ["abort", "continue-anyway", "offline-install"]},
            },
        },
        "storage": {"type": "object"},
        "ssh": {
            "type": "object",
            "properties": {
                "install-server": {"type": "boolean"},
                "allow-pw": {"type": "boolean"},
                "authorized-keys": {"type": "array", "items": {"type": "string"}},
            },
            "additionalProperties": False,
        },
        "packages": {"type": "array", "items": {"type": "string"}},
        "updates": {"type": "string", "enum": ["security", "all"]},
        "user-data": {"type": "object"},
        "shutdown": {"type": "string", "enum": ["reboot", "poweroff"]},
        **{
            f"{when}-commands": {"type": "array", "items": {"type": ["string", "array"], "items": {"type": "string"}}}
            for when in ("early", "late", "error")
        },
    },
}
"""The part of autoinstall's schema (subiquity, autoinstall-schema.json) that the template uses; subiquity itself is in no registry."""


def test_user_data_is_an_autoinstall_by_its_schema() -> None:
    text = answers("ubuntu-24.04-installer", "user-data", package_proxy="http://192.168.124.10:3142")
    assert text.startswith("#cloud-config\n")
    found = yaml.safe_load(text)
    assert list(found) == ["autoinstall"]
    jsonschema.validate(found["autoinstall"], AUTOINSTALL)
    assert found["autoinstall"]["user-data"]["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [KEY]}]


@pytest.mark.client
def test_cloud_init_takes_what_user_data_says_of_the_installed_system(tmp_path: Path) -> None:
    """What stands under `user-data` is cloud-init's own language."""
    tool = shutil.which("cloud-init") or pytest.skip("cloud-init is not installed")
    inner = yaml.safe_load(answers("ubuntu-24.04-installer", "user-data"))["autoinstall"]["user-data"]
    (tmp_path / "c").write_text("#cloud-config\n" + json.dumps(inner), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    run = subprocess.run([tool, "schema", "-c", str(tmp_path / "c")], capture_output=True, text=True, timeout=60, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
