"""`crowbar image list` and `crowbar image build`: the images that servers boot, and those that are written to their disks."""

from __future__ import annotations

import argparse
import json
import sys

from engine.api.control import BuildError, build_image, image_states

from ..long_task import LongTask
from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    image = commands.add_parser("image", help="list the images, or build one").add_subparsers(dest="verb", required=True)
    listing = image.add_parser(
        "list", help="list every image: name, version, architecture, size, checksum, and whether it is complete and of this version"
    )
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    build = image.add_parser("build", help="build images from Debian packages on this machine, one after the other")
    build.add_argument(
        "names", nargs="+", metavar="name", help="an image that `image list` shows, for example sledgehammer, debian-12 or loader"
    )
    build.add_argument(
        "--variant", default="", help="cloud: small, for virtual machines; metal: for servers, with firmware files (default)"
    )
    build.add_argument(
        "--mirror", default="", metavar="URL", help="download the packages from this mirror (default: this machine's own mirrors)"
    )
    again = "use the same package versions again: those in LIST, or those of the present image"
    build.add_argument("--locked", nargs="?", const="", type=_list_file, metavar="LIST", help=again)
    build.add_argument("--offline", action="store_true", help="use the packages that the last build kept, without network access")
    build.add_argument("--json", action="store_true")
    build.set_defaults(run=_build)


def _list_file(text: str) -> str:
    return str(path(text)) if text else ""


def _list(arguments: argparse.Namespace) -> int:
    bad = 0
    for image in image_states(arguments.store):
        bad += not image["whole"]
        if arguments.json:
            print(json.dumps(image))
            continue
        sums = image["sha256"] or {"": "-"}
        # the last of several files is the large one
        checksum = list(sums.values())[-1][:12] if isinstance(sums, dict) else "-"
        whole = image["reason"] or (f"whole, but {image['other']}; crowbar image build {image['name']}" if image["other"] else "whole")
        print(f"{image['name']:<22} {image['version']:<8} {image['arch']:<8} {image['size']:>13,} bytes  {checksum:<12}  {whole}")
    return 1 if bad else 0


def _build(arguments: argparse.Namespace) -> int:
    """Builds the images in order. The first failure ends the command, because later images may need the earlier ones."""
    for name in arguments.names:
        if code := _build_one(name, arguments):
            return code
    return 0


def _build_one(name: str, arguments: argparse.Namespace) -> int:
    wish = arguments.variant, arguments.mirror, arguments.locked, arguments.offline
    try:
        with LongTask(f"image {name}", arguments.json) as task:
            built, place = build_image(arguments.store, name, *wish, task.step, task.moved)
    except BuildError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        files = {file: {"size": size, "sha256": digest} for file, (size, digest) in built.files.items()}
        row = {"name": built.name, "variant": built.variant, "place": str(place), "packages": built.packages, "unpacked": built.unpacked}
        print(json.dumps({**row, "seconds": round(built.seconds, 1), "files": files}))
        return 0
    for file, (size, digest) in built.files.items():
        print(f"{file:<16} {size:>13,} bytes  {digest[:12]}")
    made = f" of {built.packages} packages, {built.unpacked:,} bytes unpacked" if built.packages else ""
    print(f"{place}: {built.name}{' ' + built.variant if built.variant else ''}{made}, in {built.seconds:.0f} s")
    return 0
