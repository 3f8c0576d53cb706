"""Recipes of the shipped images, their scripts, and what is wrong in a recipe."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.files.catalog import shipped
from engine.files.image_file import OPTIONAL
from engine.files.mistakes import CatalogError
from engine.files.paths import shipped_folder
from engine.images.build.bootstrap import command
from engine.images.build.errors import BuildError
from engine.images.build.recipe import ARCHITECTURES, Recipe, Variant, read_recipe
from engine.images.build.shipped import buildable
from engine.images.build.tree import Drop, own_files

IMAGES = shipped_folder("images")
NODE = IMAGES / "node"


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    return buildable()


def test_what_can_be_built(recipes: dict[str, Recipe]) -> None:
    formats = {name: recipe.format for name, recipe in recipes.items()}
    assert {"debian-12": "ext4", "loader": "copy", "sledgehammer": "initramfs"}.items() <= formats.items()
    for name in ("debian-12", "sledgehammer"):
        assert recipes[name].suite == "bookworm"
        assert recipes[name].variants.keys() == {"cloud", "metal"} | ({"virtual", "burn-in"} if name == "sledgehammer" else set())
        assert recipes[name].variant("").name == "metal", "a server without its drivers would be no server"


def test_a_recipe_is_of_its_images_architecture(recipes: dict[str, Recipe]) -> None:
    for name, recipe in recipes.items():
        assert ARCHITECTURES[recipe.arch] == shipped().images[name].arch
        assert recipe.takes.keys() <= set(recipe.copies) | set(recipes["loader"].copies), "what an image brings along for the loaders"


def test_sledgehammer_for_arm64_is_sledgehammer(recipes: dict[str, Recipe]) -> None:
    one, other = recipes["sledgehammer"], recipes["sledgehammer-arm64"]
    assert other.folder == one.folder
    assert other.packages == (*one.packages, "grub-efi-arm64-bin")
    assert [v.packages[0] for v in one.variants.values()] == ["linux-image-cloud-amd64", *["linux-image-amd64"] * 3]
    assert [v.packages[0] for v in other.variants.values()] == ["linux-image-cloud-arm64", *["linux-image-arm64"] * 3]
    assert f"sledgehammer-arm64/{next(iter(other.takes))}" in recipes["loader"].copies["grubaa64.efi"]
    assert not any("x86_64" in path for path in one.drop), "both are without the same"
    assert {own.path for own in own_files(one, NODE)} == {own.path for own in own_files(other, NODE)}


def test_the_next_release_is_like_the_one_before(recipes: dict[str, Recipe]) -> None:
    before, after = recipes["debian-12"], recipes["debian-13"]
    assert (before.suite, after.suite) == ("bookworm", "trixie")
    assert (after.packages, after.variants, after.folder) == (before.packages, before.variants, before.folder)


CLOUD = {
    "debian-13-controller": (
        "openstack-database",
        "openstack-messages",
        "openstack-cache",
        "openstack-front",
        "keystone",
        "glance",
        "placement",
        *("nova-controller", "neutron-server", "swift-rings", "swift-proxy", "cinder", "retriever"),
        "tempest",
    ),
    "debian-13-compute": ("nova-compute", "neutron-compute"),
    "debian-13-storage": ("swift-storage", "swift-servers", "cinder-volume", "tempest"),
}


def test_images_of_a_cloud_have_the_packages_of_their_roles(recipes: dict[str, Recipe]) -> None:
    roles = shipped().roles
    for name, there in {**CLOUD, "debian-13-cloud": tuple(one for some in CLOUD.values() for one in some)}.items():
        wanted = {package for role in there for package in roles[role].packages["debian"]}
        assert wanted <= set(recipes[name].packages), name


def test_package_lists_name_each_package_once(recipes: dict[str, Recipe]) -> None:
    for recipe in recipes.values():
        for variant in recipe.variants.values() or [Variant(name="")]:
            packages = [*recipe.packages, *variant.packages]
            assert len(packages) == len(set(packages)), recipe.name


def test_discovery_has_what_its_roles_call(recipes: dict[str, Recipe]) -> None:
    """Package by program that roles, agent and init use."""
    used = {
        "busybox",
        "curl",
        "zstd",
        "dmidecode",
        "ethtool",
        "ipmitool",
        "lldpd",
        "pciutils",
        "smartmontools",
        "dosfstools",
        "e2fsprogs",
        "fdisk",
        "gdisk",
        "lvm2",
        "mdadm",
        "nvme-cli",
        "parted",
        "xfsprogs",
        "kexec-tools",
        "openssh-server",
        "udev",
        "kmod",
        "mount",
    }
    assert used <= set(recipes["sledgehammer"].packages)


def test_an_installed_system_has_both_boot_loaders(recipes: dict[str, Recipe]) -> None:
    assert {"grub-pc-bin", "grub-efi-amd64-bin", "grub-efi-amd64-signed", "grub2-common", "shim-signed"} <= set(
        recipes["debian-12"].packages
    )


def test_loaders_come_from_where_their_package_puts_them(recipes: dict[str, Recipe]) -> None:
    for name, recipe in recipes.items():
        if recipe.format == "copy":
            wanted = [file for use, file in shipped().images[name].files.items() if use not in OPTIONAL]
            assert set(wanted) <= recipe.copies.keys()
            others = {f"{name}/{file}" for name, other in recipes.items() for file in other.takes}
            assert all(place.startswith("/") or place in others for places in recipe.copies.values() for place in places)


def test_own_files_of_the_discovery_system(recipes: dict[str, Recipe]) -> None:
    own = {one.path: one for one in own_files(recipes["sledgehammer"], NODE)}
    assert own["init"].mode == 0o755
    assert own["usr/lib/crowbar/agent"].body == (NODE / "agent").read_bytes()
    assert own["usr/bin/attribute"].target == "../lib/crowbar/attribute"
    assert own["etc/inittab"].mode == 0o644
    assert own["usr/sbin/reboot"].target == "../bin/busybox"
    ssh = own["etc/ssh/sshd_config"].body.decode()
    assert "PasswordAuthentication no" in ssh
    assert "AuthenticationMethods publickey" in ssh


@pytest.mark.parametrize("name", ["sledgehammer", "debian-12"])
def test_nothing_in_an_image_names_one_machine(recipes: dict[str, Recipe], name: str) -> None:
    """Packages make these when they are installed; all machines would have the same."""
    drop = Drop(recipes[name].drop)
    assert drop("etc/machine-id")
    assert drop("etc/ssh/ssh_host_ed25519_key")
    if "nvme-cli" in recipes[name].packages:
        assert drop("etc/nvme/hostnqn")
        assert drop("etc/nvme/hostid")


def scripts() -> list[Path]:
    found = [IMAGES / "sledgehammer/customize", IMAGES / "debian-12/customize"]
    found += [path for path in sorted((IMAGES / "sledgehammer/files").rglob("*")) if path.is_file() and path.read_bytes().startswith(b"#!")]
    return found


@pytest.mark.parametrize("shell", [["dash", "-n"], ["busybox", "sh", "-n"], ["shellcheck", "-s", "sh"]], ids=lambda words: words[0])
def test_scripts_are_right(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    for script in scripts():
        done = subprocess.run([*shell, str(script)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


def test_every_service_of_init_is_one(recipes: dict[str, Recipe]) -> None:
    table = (IMAGES / "sledgehammer/files/etc/inittab").read_text()
    service = (IMAGES / "sledgehammer/files/usr/lib/crowbar/service").read_text()
    named = [line.split()[-1] for line in table.splitlines() if "crowbar/service" in line]
    assert sorted(named) == ["agent", "lldpd", "sshd"]
    assert all(f"\n{name})\n" in service for name in named)


# -- a recipe with mistakes ----------------------------------------------------------------------------------------


def recipe_of(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "recipe.yml").write_text(text)
    return read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("suite: bookworm\n", "expected the key 'format'"),
        ("format: iso\n", "one of initramfs, ext4, tar, copy"),
        ("format: tar\npackages: [a b]\n", "a package's name"),
        ("format: tar\npackages: ['x;reboot']\n", "a package's name"),
        ("format: tar\ndrop: [/boot]\n", "a path without / at its ends"),
        ("format: tar\nvariants: {a: {packages: [x1]}}\n", "expected a default variant"),
        ("format: tar\ndefault: b\nvariants: {a: {packages: [x1]}}\n", "unknown variant 'b'"),
        ("format: tar\npakages: [x1]\n", "did you mean 'packages'"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CatalogError) as found:
        recipe_of(tmp_path, text)
    assert words in str(found.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("like: base\n", "expected the key 'arch'"),
        ("like: bas\narch: arm64\n", "did you mean 'base'"),
        ("like: base\narch: sparc\n", "one of amd64, arm64"),
        ("like: base\narch: arm64\nformat: copy\n", "unknown key"),
        ("like: other\narch: arm64\noff: ['a b']\n", "a unit's name"),
        ("like: ring\narch: arm64\n", "ring/recipe.yml:1: like: unknown image with a recipe 'itself'"),
        ("like: itself\narch: arm64\n", "unknown image with a recipe"),
        ("like: base\narch: arm64\ntakes: {x: /etc/../x}\n", "a path"),
    ],
)
def test_mistakes_of_a_likeness(tmp_path: Path, text: str, words: str) -> None:
    for name, recipe in (
        ("base", "format: tar\npackages: ['linux-{arch}']\n"),
        ("other", "like: base\narch: amd64\noff: [a-*]\n"),
        ("ring", "like: itself\narch: amd64\n"),
        ("itself", text),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yml").write_text(recipe)
    with pytest.raises(CatalogError) as found:
        read_recipe(tmp_path / "itself")
    assert words in str(found.value)


def test_a_likeness_of_a_likeness(tmp_path: Path) -> None:
    texts = {
        "base": "format: tar\npackages: ['linux-{arch}']\noff: [x]\n",
        "other": "like: base\narch: amd64\nsuite: trixie\npackages: [nova-api]\noff: ['nova-*']\n",
        "last": "like: other\narch: arm64\npackages: ['grub-{arch}']\n",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yml").write_text(text)
    found = read_recipe(tmp_path / "last")
    assert (found.name, found.arch, found.suite) == ("last", "arm64", "trixie")
    assert (found.packages, found.off) == (("linux-arm64", "nova-api", "grub-arm64"), ("x", "nova-*"))


def test_a_variant_that_is_not_there(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "format: tar\ndefault: a\nvariants: {a: {packages: [x1]}, b: {packages: [x2]}}\n")
    assert recipe.variant("b").packages == ("x2",)
    with pytest.raises(BuildError, match="has no variant 'c'; there is a, b"):
        recipe.variant("c")


# -- mmdebstrap's arguments ------------------------------------------------------------------------------------------


def test_arguments_of_mmdebstrap(tmp_path: Path) -> None:
    recipe = Recipe(name="x", folder=str(tmp_path), format="tar", suite="bookworm")
    line = command(recipe, Variant(name="cloud"), ["a", "b=1:2"], ["deb http://m bookworm main"], "echo hook", tmp_path / "my cache")
    assert line[0] == "mmdebstrap"
    assert "--include=a,b=1:2" in line
    assert line[-3:] == ["bookworm", "-", "deb http://m bookworm main"]
    assert f"--setup-hook=sync-in '{tmp_path}/my cache' /var/cache/apt/archives" in line
    assert "--customize-hook=CROWBAR_VARIANT=cloud; export CROWBAR_VARIANT\necho hook" in line
    assert not any("sync" in word for word in command(recipe, Variant(name=""), ["a"], [], ""))
