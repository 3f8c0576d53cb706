"""A value that cannot be read is not an absent value: no script continues as if the value were absent.

`attribute` exits with 1 for an absent value and with 2 for one that it cannot read. The shell loses both exit codes inside another
command's arguments, before a pipe, and after `|| x=`. So each substitution is an assignment of its own, whose exit code is checked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from node_folder import REPO, Machine
from scenes import SCENES

READERS = ("attribute", "optional", "need", "quote", "disks", "setting")
"""Commands and functions of the scripts that answer with a value, or fail."""


def scripts() -> list[Path]:
    found = []
    for folder in (*sorted((REPO / "barclamps").glob("*/roles/*")), REPO / "images" / "node"):
        for path in sorted(folder.iterdir()):
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            if text.startswith(("#!/bin/sh", "# ")) and path.suffix == "":
                found.append(path)
    return found


def statements(text: str) -> list[str]:
    """Lines without comments, and those that go on in the next one as one."""
    out: list[str] = []
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if out and re.search(r"(&&|\|\||\\|\{)$", out[-1]):
            out[-1] = f"{out[-1].rstrip(chr(92))} {line}"
        else:
            out.append(line)
    return out


def forgotten(statement: str) -> list[str]:
    """The substitutions of a statement whose failure nobody sees."""
    out = []
    for found in re.finditer(rf"\$\(({'|'.join(READERS)})\b[^()]*(\$\([^()]*\)[^()]*)*\)", statement):
        before, behind = statement[: found.start()], statement[found.end() :].lstrip('"')
        alone = re.search(r"(^|&& |\|\| |; |\{ |do |then |! |if )\w+=\"?$", before) is not None
        looked_at = re.match(r"\s*(&&|\|\||; then|; do)", behind) is not None and not re.match(r"\s*\|\| (\w+=|:)", behind)
        if not alone or not looked_at or " | " in found[0]:
            out.append(found[0])
    return out


@pytest.mark.parametrize("path", scripts(), ids=lambda path: str(path.relative_to(REPO)))
def test_no_failure_is_forgotten(path: Path) -> None:
    assert not [one for statement in statements(path.read_text(encoding="utf-8")) for one in forgotten(statement)]


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ('disks find "$(attribute "$1/wwn")"', 1),
        ("x=$(attribute a) || x=", 1),
        ("x=$(attribute a)", 1),
        ("x=$(attribute -l a | awk 1) || exit 1", 1),
        ('[ "$(attribute a)" = true ] || return 0', 1),
        ("x=$(attribute a) || fail now", 0),
        ('x=$(attribute a) && y=$(quote "$x") || fail now', 0),
        ("if ! x=$(setting a); then", 0),
    ],
)
def test_the_rule(statement: str, wrong: int) -> None:
    assert len(forgotten(statement)) == wrong


BROKEN = """#!/bin/sh
case "$*" in "{words}") echo "attribute: it does not work now" >&2; exit 2 ;; esac
exec "{real}" "$@"
"""


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("os-install", "-l"),
        ("raid-configure", "-k raid-disks"),
        ("raid-configure", "raid-disks/blank"),
        ("raid-configure", "raid-disks/members/0/serial"),
        ("network", "-l network"),
        ("ntp-client", "-l ntp-servers"),
        ("ntp-server", "-l admin-subnets"),
        ("etcd-member", "-l etcd/members"),
        ("bios-configure", "-k bios-wanted"),
        ("package-sources", "package-sources"),
        ("package-sources", "package-mirror"),
        ("package-sources", "engine-url"),
        ("example-motd", "example/host"),
    ],
)
def test_a_value_that_cannot_be_read_ends_the_role(role: str, words: str, tmp_path: Path) -> None:
    machine: Any = Machine(tmp_path)
    attributes = SCENES[role](machine)
    tool = machine.tools / "attribute"
    tool.write_text(BROKEN.format(words=words, real=REPO / "images" / "node" / "attribute"))
    tool.chmod(0o755)
    done = machine.run(role, attributes)
    assert done.code not in (0, 64), f"{role} went on"
    assert not done.gives
    assert not [call for call in machine.calls if call.startswith(("wipefs", "sfdisk", "mkfs", "mdadm --create", "systemctl"))]


def test_a_disk_whose_content_cannot_be_told_is_not_blank(tmp_path: Path) -> None:
    machine: Any = Machine(tmp_path)
    attributes = SCENES["os-install"](machine)
    attributes["install-disk"]["blank"] = True
    tool = machine.tools / "disks"
    tool.write_text(f'#!/bin/sh\n[ "$1" != signature ] || exit 1\nexec "{REPO}/images/node/disks" "$@"\n')
    tool.chmod(0o755)
    done = machine.run("os-install", attributes)
    assert done.code == 1
    assert "what disk sda holds cannot be told" in done.err
    assert not [call for call in machine.calls if call.startswith(("wipefs", "sfdisk", "mkfs"))]
