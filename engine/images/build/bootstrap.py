"""Runs mmdebstrap, which makes a tree of Debian packages and prints it as a tar stream.

As root it works in a chroot, otherwise in a user namespace (see `able`).

A command contains only checked names: packages and suites match the recipe's patterns, and each folder is a single argument. The text of
a hook is one argument, because in a user namespace mmdebstrap cannot read a private home.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import BuildError
from .recipe import Recipe, Variant

_STEPS = {
    "running apt-get update": "asking the mirrors for their lists",
    "downloading packages with apt": "fetching packages",
    "extracting archives": "unpacking the essential packages",
    "installing essential packages": "installing the essential packages",
    "installing remaining packages inside the chroot": "installing the others",
    "creating tarball": "packing and compressing",
}
"""mmdebstrap's progress messages -> ours. Others are ignored."""
_NO_INITRAMFS = (
    'chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs && ln -s ../bin/true "$1"/usr/sbin/update-initramfs'
)
_OFF = """\
cd "$1/usr/lib/systemd/system" || exit 1
set -f
for pattern in $UNITS; do
    set +f
    for file in $pattern.service $pattern.socket $pattern.timer; do
        [ -e "$file" ] || continue
        systemctl --quiet --root="$1" disable "$file" >/dev/null 2>&1 || exit 1
    done
done
"""
"""Switches the units in $UNITS off: their role switches them on. An init script counts beside its unit, where there is one."""
_KEPT = 40
_NO_MIRROR = re.compile(
    r"Could not resolve|Failed to fetch|Could not connect|Unable to connect|Connection (?:timed out|refused|failed)|"
    r"does not have a Release file"
)
_NO_VERSION = re.compile(r"E: Version '(\S+)' for '(\S+)' was not found")
_NO_PACKAGE = re.compile(r"E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate)")


def command(
    recipe: Recipe, variant: Variant, packages: Sequence[str], sources: Sequence[str], hook: str, cache: Path | None = None
) -> list[str]:
    """mmdebstrap's arguments. It prints a tar of the tree."""
    out = [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        f"--architectures={recipe.arch}",
        "--variant=essential",
        "--format=tar",
        "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none",
        "--aptopt=Acquire::Retries 3",
        f"--include={','.join(packages)}",
    ]
    if cache is not None:
        at = shlex.quote(str(cache))
        out += [
            "--skip=essential/unlink",
            "--skip=download/empty",
            '--setup-hook=mkdir -p "$1"/var/cache/apt/archives',
            f"--setup-hook=sync-in {at} /var/cache/apt/archives",
            f"--customize-hook=sync-out /var/cache/apt/archives {at}",
        ]
    if recipe.format == "initramfs":
        # the kernel's package would make its own initramfs, which takes longer than all the rest and is not used
        out.append(f"--essential-hook={_NO_INITRAMFS}")
    if recipe.off:
        out.append(f"--customize-hook=UNITS={shlex.quote(' '.join(recipe.off))}\n{_OFF}")
    if hook:
        out.append(f"--customize-hook=CROWBAR_VARIANT={shlex.quote(variant.name)}; export CROWBAR_VARIANT\n{hook}")
    return [*out, recipe.suite, "-", *sources]


@contextmanager
def tree(arguments: Sequence[str], epoch: int, tell: Callable[[str], None]) -> Iterator[tarfile.TarFile]:
    """The tree as a tar to be read once. Raises BuildError, also at the end, if mmdebstrap fails after it wrote something."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    except FileNotFoundError as missing:
        raise BuildError("mmdebstrap is not installed: apt install mmdebstrap") from missing
    assert process.stdout is not None
    assert process.stderr is not None
    last: list[str] = []
    listener = threading.Thread(target=_listen, args=(process.stderr, last, tell), daemon=True)
    listener.start()
    broken: Exception | None = None
    try:
        with tarfile.open(fileobj=process.stdout, mode="r|", bufsize=1 << 20) as archive:
            yield archive
        while process.stdout.read(1 << 20):  # read to the end, otherwise mmdebstrap reports a broken pipe
            pass
    except (tarfile.TarError, OSError) as found:
        broken = found
    except BaseException:
        process.terminate()
        raise
    finally:
        process.stdout.close()
        code = process.wait()
        listener.join(10)
        process.stderr.close()
    if code != 0:
        raise BuildError(why(last)) from broken
    if broken is not None:
        raise broken


def why(last: Sequence[str]) -> str:
    """One sentence from the last messages of mmdebstrap and apt."""
    text = "\n".join(last)
    if match := _NO_VERSION.search(text):
        return (
            f"the mirror does not have {match[2]} {match[1]} any more: build without --locked, or use --mirror with a mirror that keeps it"
        )
    if match := _NO_PACKAGE.search(text):
        return f"the mirror does not have the package {match[1] or match[2]}"
    if "No space left on device" in text:
        return "the disk is full: mmdebstrap needs room in $TMPDIR (else /tmp) for the unpacked tree"
    if match := _NO_MIRROR.search(text):
        line = next(line for line in last if _NO_MIRROR.search(line))
        return f"cannot reach the mirror: {line.removeprefix('E: ').removeprefix('W: ').strip()[:200]}"
    if "subuid" in text or "unshare" in text or "user namespace" in text:
        return "this user may not make user namespaces (see /etc/subuid): run the build as root"
    wrong = [line for line in last if line.startswith("E:")] or list(last)
    return f"mmdebstrap failed: {wrong[0].removeprefix('E: ').strip()[:300]}" if wrong else "mmdebstrap failed and printed nothing"


def _listen(stream: IO[bytes], last: list[str], tell: Callable[[str], None]) -> None:
    for raw in stream:
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        last.append(line)
        del last[:-_KEPT]
        if (step := _STEPS.get(line.removeprefix("I: ").rstrip("."))) is not None:
            tell(step)
