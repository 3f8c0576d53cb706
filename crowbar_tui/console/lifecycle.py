"""Opens the console, and decides what happens to the engine when the user leaves.

an engine holds the store      attach to it
no engine holds it             start one inside; `q`, a closed terminal or SIGTERM leave it running without a console; `Q` stops it
"""

from __future__ import annotations

import gc
import getpass
import logging
import logging.handlers
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.api.process import RightsError, give_up, ran_out

from ..api_option import ApiOption, api_option
from . import curtain
from .defects import keep_log
from .kept_file import KeptFile
from .supervisor import Away, guarded

if TYPE_CHECKING:
    from engine.api.running import Engine

    from .app import Console
    from .manner import Manner

    class Runs(Protocol):
        """A context manager in which an engine runs."""

        @property
        def engine(self) -> Engine: ...


log = logging.getLogger(__name__)

LOG = "console.log"
"""In the store: errors of consoles that attach or look back. A console with the engine inside writes them to the engine's log."""


def terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def open_console(store: Path, then: Callable[[list[str]], int], api: ApiOption | None = None, read_only: bool = False) -> int:
    """`crowbar`: attaches, or starts an engine inside. Without a committed plan the wizard opens. `then` runs the command that the
    user chose there. `api`: where an engine inside offers the HTTP API (default: as the environment says). `read_only`: no order leaves
    the console, and it starts no engine. Returns the exit code. Raises StoreError and ServiceError before it touches the screen."""
    from engine.api.rehearsals import remember
    from engine.api.views import held

    _environment()
    manner = manner_of(read_only)  # while this user's home can be read and written: root may be given up below
    if read_only:
        return open_watching(store, manner)
    remember(store)
    where = api if api is not None else api_option(None, False)
    if held(store):
        if where.given:
            print(f"crowbar: an engine runs on {store}, and --api counts only when an engine starts: crowbar engine stop", file=sys.stderr)
            return 2
        return guarded(lambda away: attached(store, away, manner), then)

    def make() -> _Running:
        from engine.api.control import Config, keys_beside
        from engine.api.running import Engine

        return _Running(Engine(Config(store=store, keys=keys_beside(store), api=where.address, api_requires_both=where.both)))

    def body(away: Away) -> int:
        from engine.api.control import keys_beside

        if why := give_up(store, keys_beside(store)).why_root:
            print(f"crowbar: the engine runs as root: {why}", file=sys.stderr, flush=True)
        return embedded(make, store, away, manner, first_run=True)

    return guarded(lambda away: _told(lambda: body(away)), then)


def open_watching(store: Path, manner: Manner) -> int:
    """A console that attaches, or shows a store without an engine as it is. It starts nothing."""
    _environment()
    return guarded(lambda away: attached(store, away, manner))


def manner_of(read_only: bool = False, captive: bool = False) -> Manner:
    """The user's set-up, and what the console may do."""
    from .manner import Manner
    from .preferences import of_user

    return Manner(of_user(), read_only, captive)


class _Running(AbstractContextManager["_Running"]):
    """An engine that runs inside the context. It has the same shape as a rehearsal."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __enter__(self) -> _Running:
        self.engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop()


def open_rehearsal(make: Callable[[], AbstractContextManager[Runs]], store: Path) -> int:
    """`crowbar rehearse`: the same with a rehearsal's engine (inside its context, `make()` has an `engine`)."""
    from engine.api.views import held

    _environment()
    manner = manner_of()
    if held(store):
        return guarded(lambda away: attached(store, away, manner))
    return guarded(lambda away: _told(lambda: embedded(make, store, away, manner)))


def open_look_back(where: Path) -> int:
    """`crowbar look-back`: a past run in the same screens, from a store or an exported journal."""
    _environment()
    manner = manner_of()
    return guarded(lambda _away: _told(lambda: looked_back(where, manner)))


def looked_back(where: Path, manner: Manner) -> int:
    from .app import Console
    from .past import of_file, of_store

    gc.disable()  # all loaded objects stay alive
    kept = keep_log(where / LOG) if where.is_dir() else ""
    past = of_file(where) if where.is_file() else of_store(where)
    try:
        begun, told = time.monotonic(), False
        while not past.read():
            if time.monotonic() - begun > 1.0:
                done, all_ = past.progress()
                # Past the rim of the command line, to which a carriage return is a stranger's.
                print(f"\rcrowbar: reading the journal: {done} of {all_} events", end="", file=sys.__stderr__, flush=True)
                told = True
        if told:
            print(file=sys.__stderr__)
        app = Console(past, manner=manner)
    except BaseException:
        past.end()
        raise
    gc.freeze()
    gc.enable()
    app.session.defects.log = kept
    app.run_console()
    return _code(app)


def _code(app: Console) -> int:
    """The exit code. Says in one line which defect ended the console, if one did."""
    if app.ended_by:
        print(f"crowbar: {app.ended_by}; {app.present.defects.advice()}", file=sys.stderr, flush=True)
    return app.return_code or 0


def _told(body: Callable[[], int]) -> int:
    """Turns errors that are not defects into a sentence."""
    from engine.api.control import AttachError, CatalogError, KeyFileError, PlanError, RackError, ServiceError, StoreError, VaultError

    try:
        return body()
    except (StoreError, ServiceError, VaultError, KeyFileError, AttachError, RackError, CatalogError, PlanError, RightsError) as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, RuntimeError) as error:
        if why := ran_out(error):
            print(f"crowbar: {why}", file=sys.stderr)
            return 2
        raise


def attached(store: Path, away: Away, manner: Manner) -> int:
    """A console for the engine of another process."""
    from engine.api.views import CatalogError, StoreError

    from .app import Console
    from .read_only import Watching
    from .source import Elsewhere

    gc.disable()  # a large store has a million objects that all stay: a collection would walk them all and free nothing
    kept = keep_log(store / LOG)
    try:
        source = Watching(store) if manner.read_only else Elsewhere(store)
    except (StoreError, CatalogError) as error:
        gc.enable()
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    app = Console(source, manner=manner)
    app.session.defects.log = kept
    if not manner.captive:
        app.keep(KeptFile(store))
    gc.freeze()
    gc.enable()
    if app.session.world.plan is None and not manner.read_only and not manner.captive:
        wizard(app)
    curtain.gone()
    done = app.run_console()
    if app.next_command:
        curtain.say("leaving the wizard")
        away.then(app.next_command)
    elif done == "stop":
        said = source.stop_engine()
        print(f"crowbar: {said.text}", file=sys.stdout if said.ok else sys.stderr)
    source.close()
    return _code(app)


def wizard(app: Console) -> None:
    from .setup.wizard import Wizard

    app.session.stack = [Wizard(app.session)]


def embedded(make: Callable[[], AbstractContextManager[Runs]], store: Path, away: Away, manner: Manner, first_run: bool = False) -> int:
    """A console with its engine in this process. A terminal that is closed meanwhile, at whatever moment, ends the console only."""
    early: list[int] = []
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda got, _: early.append(got))
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    _log_to(store / "engine.log")
    from engine.api.rehearsals import opened

    with opened(store), make() as running:
        engine = running.engine
        from engine.api.running import EngineHost

        from .app import Console
        from .source import Embedded

        source = Embedded(engine, EngineHost(engine), getpass.getuser())
        engine.console = (getpass.getuser(), time.time())
        app = Console(source, manner=manner)
        app.session.defects.log = str(store / "engine.log")
        app.keep(KeptFile(store))
        app.heed_signals()
        if first_run and app.session.world.plan is None:
            wizard(app)
        ended = threading.Event()
        threading.Thread(target=_end_with, args=(engine, app, ended), name="console-stop", daemon=True).start()
        curtain.gone()
        done = "leave" if early or app.hung_up else app.run_console()
        ended.set()
        engine.console = None
        source.close()
        code = _code(app)
        if app.next_command:
            curtain.say("stopping the wizard's engine")
            away.then(app.next_command)
            return code
        if done == "stop" or engine.stop_asked.is_set() or engine.failure:
            if engine.failure:
                print(f"crowbar: {engine.failure}", file=sys.stderr)
                return 1
            return code
        said = f"crowbar: the engine keeps running (process {os.getpid()}); crowbar opens it again"
        away.leave(store / "engine.log", said)
        _headless(engine)
    return code


def _end_with(engine: Engine, app: Console, ended: threading.Event) -> None:
    """If another process asks this engine to stop, the console ends too, at the latest when it has begun."""
    engine.stop_asked.wait()
    while not ended.is_set():
        try:
            app.call_from_thread(app.exit, "stop")
            return
        except RuntimeError:  # the console does not run yet, or no longer
            ended.wait(0.05)


def _headless(engine: Engine) -> None:
    """Waits until somebody asks the engine to stop."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while not over.wait(0.5):
        if engine.stop_asked.is_set():
            log.info("asked to stop")
            return
        if engine.failure:
            log.error("the engine stopped: %s", engine.failure)
            return


def _log_to(path: Path) -> None:
    """Keeps logs out of the terminal while the console uses it."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=4_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("paramiko").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)

    def hook(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            log.error("thread %s", failed.thread.name if failed.thread else "?", exc_info=failed.exc_value)

    threading.excepthook = hook


def _environment() -> None:
    """Prepares the environment before Textual is imported: no animation, no questions to plain consoles. Removes COLUMNS and LINES,
    because a shell may export them, and they would override every later size of the terminal."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if os.environ.get("TERM", "") in ("linux", "vt100", "vt220", "ansi", "dumb"):
        os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
