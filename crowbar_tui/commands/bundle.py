"""`crowbar bundle`: everything that a plan needs in one signed file, to carry to an admin node without a connection."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from engine.api import bundles

from ..long_task import LongTask
from ..package_lines import gib
from ..paths import path

_FINGERPRINT = re.compile(r"(sha256:)?[0-9a-fA-F]{64}")
_MIRROR = re.compile(r"([a-z0-9][a-z0-9.-]*)=(https?://[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9._~-]+)*/?)")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("bundle", help="put everything that a plan needs into one signed file; check, open or compare such files")
    bundle = group.add_subparsers(dest="verb", required=True)
    new = bundle.add_parser("create", help="make a bundle of a plan: images, packages, barclamps, and this program")
    new.add_argument("plan", type=path, help="the plan's file")
    new.add_argument("-o", "--output", type=path, required=True, metavar="FILE", help="the bundle, for example rack.crowbar")
    new.add_argument("--without", action="append", default=[], choices=bundles.LEAVE_OUT, help="leave these parts out; may be repeated")
    new.add_argument("--wheels", type=path, default=None, metavar="DIR", help="take this program's wheels from DIR (default: make them)")
    mirror_help = "ask this mirror for a system's packages, for example debian-12=http://mirror.lan/debian; may be repeated"
    new.add_argument("--mirror", action="append", type=_mirror, default=[], metavar="SYSTEM=URL", help=mirror_help)
    new.add_argument(
        "--keys", type=path, default=None, metavar="FILE", help="keys that sign the lists of packages (default: the distribution's)"
    )
    _common(new, _create)
    for verb, what, run in (
        ("verify", "check a bundle: signature, and the checksum of each part; write nothing", _verify),
        ("open", "check a bundle, and put everything into the store: all of it, or nothing", _open),
    ):
        command = bundle.add_parser(verb, help=what)
        command.add_argument("file", type=path)
        key_help = "refuse the bundle unless this key signed it: the fingerprint that bundle create printed"
        command.add_argument("--key", type=fingerprint_argument, default=None, metavar="FINGERPRINT", help=key_help)
        _common(command, run)
    closing = bundle.add_parser("close", help="get packages from the mirrors again, and no longer from the opened bundle")
    _common(closing, _close)
    difference = bundle.add_parser("diff", help="show what differs between two bundles")
    difference.add_argument("old", type=path)
    difference.add_argument("new", type=path)
    _common(difference, _diff)


def _common(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=lambda arguments: guarded(run, arguments))


def _mirror(text: str) -> tuple[str, str]:
    match = _MIRROR.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected SYSTEM=URL, like debian-12=http://mirror.lan/debian, not {text!r}")
    return match[1], match[2]


def fingerprint_argument(text: str) -> str:
    """A fingerprint of a key, as an argument of the command line."""
    if not _FINGERPRINT.fullmatch(text):
        raise argparse.ArgumentTypeError("expected a fingerprint of 64 hexadecimal digits")
    return text.lower().removeprefix("sha256:")


def guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Runs a command on bundles. What fails becomes a sentence and exit code 1."""
    try:
        return run(arguments)
    except bundles.BundleError as error:
        print(f"crowbar: {error}", file=sys.stderr)
    except OSError as error:
        print(f"crowbar: {error.filename or 'the bundle'}: {error.strerror or error}", file=sys.stderr)
    return 1


def _create(arguments: argparse.Namespace) -> int:
    with LongTask(f"bundle {arguments.output.name}", arguments.json) as task:
        manifest, key = bundles.create_bundle(
            arguments.store,
            arguments.plan,
            arguments.output,
            without=tuple(dict.fromkeys(arguments.without)),
            wheels=arguments.wheels,
            mirrors=dict(arguments.mirror),
            keys=arguments.keys,
            tell=task.step,
            moved=task.moved,
        )
    tell_of(arguments, arguments.output, manifest, key, f"signed with the key {key}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    with LongTask(f"check {arguments.file.name}", arguments.json) as task:
        tape = bundles.verify(arguments.file, arguments.key or "", task.moved)
    tell_of(arguments, arguments.file, tape.manifest, tape.fingerprint, _pinned(arguments, tape))
    return 0


def _open(arguments: argparse.Namespace) -> int:
    with LongTask(f"open {arguments.file.name}", arguments.json) as task:
        tape = bundles.open_bundle(arguments.store, arguments.file, arguments.key or "", moved=task.moved)
    tell_of(arguments, arguments.file, tape.manifest, tape.fingerprint, _pinned(arguments, tape))
    for line in bundles.unlike(arguments.store, tape.manifest):
        print(f"crowbar: {line}: use the program in the bundle's wheels", file=sys.stderr)
    if not arguments.json:
        print(f"opened into {arguments.store}; the plan is {arguments.store / 'bundle' / 'plan.yml'}")
    return 0


def _close(arguments: argparse.Namespace) -> int:
    there = bundles.close_bundle(arguments.store)
    if arguments.json:
        print(json.dumps({"type": "bundle", "closed": there}))
    else:
        print("packages come from the mirrors again" if there else "no bundle with packages is open")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    """Exit code 1: they differ."""
    found = bundles.differences(bundles.verify(arguments.old).manifest, bundles.verify(arguments.new).manifest)
    for one in found:
        if arguments.json:
            print(json.dumps({"type": "difference", "kind": one.kind, "name": one.name, "old": one.old, "new": one.new}))
        else:
            change = f"{one.old} -> {one.new}" if one.old and one.new else f"new: {one.new}" if one.new else f"gone: {one.old}"
            print(f"{one.kind:<9} {one.name}: {change}")
    if not found and not arguments.json:
        print("the bundles have the same parts")
    return 1 if found else 0


def _pinned(arguments: argparse.Namespace, tape: bundles.Tape) -> str:
    words = bundles.signer(arguments.store, tape)
    return words if arguments.key else f"{words}; compare it with what bundle create printed, or give it as --key"


def tell_of(arguments: argparse.Namespace, file: Path | str, manifest: bundles.Manifest, key: str, signed: str) -> None:
    """Prints what a bundle holds. `signed`: a sentence about its key."""
    counts = Counter(part.kind for part in manifest.parts)
    if arguments.json:
        row = {"type": "bundle", "file": str(file), "key": key, "site": manifest.site, "program": manifest.program}
        more = {"systems": manifest.systems, "parts": counts, "octets": manifest.octets, "left_out": manifest.left_out}
        print(json.dumps(row | more))
        return
    kinds = ", ".join(f"{kind} {many}" for kind, many in sorted(counts.items()))
    print(f"{file}: site {manifest.site}, program {manifest.program}, {len(manifest.parts)} parts, {gib(manifest.octets)} ({kinds})")
    print(signed)
    for line in manifest.left_out:
        print(f"not in it: {line}")
