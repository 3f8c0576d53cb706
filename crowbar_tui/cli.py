"""The command line: `crowbar [--store DIR] COMMAND`. Exit codes: 0 done; 1 refused, different or not all ready; 2 bad input or bad use.

A command's module is imported only when that command runs. A console that attaches needs none of them and starts half a second earlier.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.api.process import RightsError, ran_out, tight

from . import captive
from .api_option import api_option
from .console import curtain
from .rim import Plain

WITH_ENGINE = ("engine", "rehearse", "replay", "setup")
"""Commands that run an engine."""
WITH_VALUE = ("--store", "--api")
"""Options before the command that take a value."""


MODULES: dict[str, tuple[str, ...]] = {
    "setup": ("setup",),
    "run": ("rehearse", "replay", "engine"),
    "look": ("status", "nodes", "roles", "events", "look-back", "explain"),
    "health": ("health",),
    "packets": ("packets",),
    "packages": ("packages",),
    "plan": ("plan",),
    "deployment": ("deployment",),
    "rules": ("rules",),
    "node": ("node", "role", "redeploy", "commit"),
    "hardware": ("hardware",),
    "setting": ("set", "log"),
    "validate": ("validate",),
    "topology": ("topology",),
    "timeline": ("timeline",),
    "walk": ("walk",),
    "report": ("report",),
    "export": ("export",),
    "catalogue": ("barclamp",),
    "image": ("image",),
    "bundle": ("bundle",),
    "store": ("store",),
    "doctor": ("doctor",),
    "api": ("api",),
    "shell": ("shell",),
}
"""Module of `commands` -> the commands that it adds, in the order of the help."""


def parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of all commands, or one that knows only the module of a command: to load the others costs it most of a second."""
    from engine.api.views import DEFAULT_STORE

    from . import paths

    top = argparse.ArgumentParser(prog="crowbar", description="From servers in boxes to a working, validated cloud before lunch.")
    top.add_argument("--store", type=paths.path, default=None, metavar="DIR", help=f"where the engine keeps its data ({DEFAULT_STORE})")
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    _of_the_console(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    chosen = [module for module, added in MODULES.items() if command in added] or list(MODULES)
    for module in chosen:
        importlib.import_module(f".commands.{module}", __package__).add(commands)
    return top


class _Version(argparse.Action):
    """Prints which Crowbar this is. To find that out loads the parser of mails."""

    def __call__(self, top: argparse.ArgumentParser, *_: object) -> None:
        from engine.api.mistakes import program_version

        print(f"crowbar {program_version()}")
        top.exit()


def _of_the_console(top: argparse.ArgumentParser) -> None:
    """Options of `crowbar` without a command."""
    api_help = "without a command: the console's own engine offers the HTTP API there (docs/api.md)"
    top.add_argument("--api", dest="console_api", default="", metavar="ADDRESS:PORT", help=api_help)
    both_help = "without a command: an operator needs a token and a certificate for the HTTP API"
    top.add_argument("--api-requires-both", dest="console_both", action="store_true", help=both_help)
    top.add_argument(
        "--read-only", dest="read_only", action="store_true", help="without a command: open a console that shows all and orders nothing"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command, or the console if none is given. Returns the exit code of the process."""
    given = list(sys.argv[1:] if argv is None else argv)
    if _command_of(given) == "shell":
        captive.scrub()  # before anything reads the environment, which may come from an SSH client
    with _loading():
        from .console.lifecycle import terminal
    options = _console_options(given)
    console = options is not None and terminal()
    if (console or _command_of(given) in WITH_ENGINE) and (why := tight()):
        print(f"crowbar: {why}", file=sys.stderr)
        return 2
    try:
        if console and options is not None:
            with contextlib.redirect_stderr(Plain(sys.stderr, curtain.lower)):
                return _console(options)
        with contextlib.redirect_stdout(Plain(sys.stdout)), contextlib.redirect_stderr(Plain(sys.stderr, curtain.lower)):
            return _command(given)
    except KeyboardInterrupt:
        curtain.lower()
        print("crowbar: interrupted", file=sys.stderr)
        return 130
    except (OSError, MemoryError, RuntimeError) as error:
        if why := ran_out(error):
            print(f"crowbar: {why}", file=sys.stderr)
            return 2
        raise


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """What is loaded stays. Collections meanwhile would cost a command a tenth of its start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _command_of(given: Sequence[str]) -> str:
    """The command's name, without loading all commands. Empty: none."""
    words = iter(given)
    for word in words:
        if word in WITH_VALUE:
            next(words, "")
        elif not word.startswith("-"):
            return word
    return ""


def _console_options(given: Sequence[str]) -> dict[str, str] | None:
    """The options of `crowbar` without a command. None: there is a command, or something else. Without argparse, which costs the
    console half a second."""
    out: dict[str, str] = {}
    words = iter(given)
    for word in words:
        name, equals, value = word.partition("=")
        if name in WITH_VALUE:
            found = value if equals else next(words, None)
            if found is None:
                return None
            out[name] = found
        elif word in ("--api-requires-both", "--read-only"):
            out[word] = "1"
        else:
            return None
    return out


def instead(command: Sequence[str]) -> int:
    """Runs another command, which the user chose in the console that has just ended."""
    curtain.say(f"loading: crowbar {' '.join(word for word in command if not word.startswith('/') and word != '--store')}")
    sys.argv[1:] = command  # a rehearsal starts itself again in its network namespace, with the same command line
    return main(command)


def _console(options: dict[str, str]) -> int:
    with _loading():
        from engine.api.views import CatalogError, StoreError

        from . import paths
        from .console.back import open_any, open_store

    store, read_only = options.get("--store", ""), "--read-only" in options
    api = api_option(options.get("--api"), "--api-requires-both" in options)
    try:
        if store:
            return open_store(paths.store(paths.path(store)), instead, api, read_only)
        return open_any(paths.store(None), instead, api, read_only)
    except (StoreError, CatalogError, argparse.ArgumentTypeError) as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2


def _command(given: Sequence[str]) -> int:
    with _loading():
        from engine.api.mistakes import (
            AttachError,
            BarclampError,
            BundleError,
            CatalogError,
            Deposed,
            KeyFileError,
            PlanError,
            ServiceError,
            StoreError,
            VaultError,
        )

        from . import paths

        top = parser(_command_of(given))
    arguments = top.parse_args(given)
    if arguments.command is not None and (arguments.console_api or arguments.console_both):
        top.error("--api and --api-requires-both before a command are for the console: give them after the command engine")
    if arguments.command is not None and arguments.read_only:
        top.error("--read-only is for the console, without a command")
    if arguments.command is None:
        top.print_help()
        return 2
    arguments.store_is_default = arguments.store is None and not os.environ.get("CROWBAR_STORE")
    arguments.instead = instead
    try:
        arguments.store = paths.store(arguments.store)
        if arguments.command in WITH_ENGINE:
            _finish_bundle(arguments.store)
        return int(arguments.run(arguments))
    except (PlanError, CatalogError) as error:
        print(error, file=sys.stderr)
        return 2
    except (StoreError, ServiceError, VaultError, KeyFileError, AttachError, RightsError, BarclampError, BundleError) as error:
        print(f"crowbar: {error}", file=sys.stderr)
        if isinstance(error, Deposed):
            from .commands.run import DEPOSED

            return DEPOSED
        return 2
    except BrokenPipeError:
        # The reader of our output has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _finish_bundle(store: Path) -> None:
    """What a killed `bundle open` left half done in the store is done first."""
    from engine.api.bundles import finish, unfinished

    if unfinished(store):
        finish(store)


if __name__ == "__main__":
    sys.exit(main())
