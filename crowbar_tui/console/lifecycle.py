"""Opens the console, and what becomes of the engine when it is left.

    an engine holds the store      attach to it
    none does                      start one inside; `q`, a closed terminal or SIGTERM leave it at work without a console; `Q` stops it
"""

from __future__ import annotations

import contextlib
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
from typing import TYPE_CHECKING

from .guardian import Away, guarded

if TYPE_CHECKING:
    from engine.face import Engine

    from .app import Console

log = logging.getLogger(__name__)


def terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def open_console(store: Path, then: Callable[[list[str]], int]) -> int:
    """`crowbar`: attach, or start an engine inside; where no plan is committed, the wizard lies on top. `then` carries out the command that
    was chosen there instead. Exit code. Raises StoreError and ServiceError before the screen is touched."""
    from engine.views.show import held

    _environment()
    if held(store):
        return guarded(lambda away: attached(store, away), then)

    def make() -> _Running:
        from engine.face import Config, Engine, keys_beside

        return _Running(Engine(Config(store=store, keys=keys_beside(store))))

    return guarded(lambda away: _told(lambda: embedded(make, store, away, first_run=True)), then)


class _Running(AbstractContextManager["_Running"]):
    """An engine that runs while it is entered; the same shape as a rehearsal."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __enter__(self) -> _Running:
        self.engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop()


def open_rehearsal(make: Callable[[], AbstractContextManager[object]], store: Path) -> int:
    """`crowbar rehearse`: the same on a rehearsal's engine (`make()` has an `engine` once it is entered)."""
    from engine.views.show import held

    _environment()
    if held(store):
        return guarded(lambda away: attached(store, away))
    return guarded(lambda away: _told(lambda: embedded(make, store, away)))


def open_look_back(where: Path) -> int:
    """`crowbar look-back`: a past run, in the same screens. A store, or an exported journal."""
    _environment()
    return guarded(lambda _away: _told(lambda: looked_back(where)))


def looked_back(where: Path) -> int:
    from .app import Console
    from .past import of_file, of_store

    gc.disable()  # what is read all stays
    past = of_file(where) if where.is_file() else of_store(where)
    try:
        begun, told = time.monotonic(), False
        while not past.read():
            if time.monotonic() - begun > 1.0:
                done, all_ = past.progress()
                print(f"\rcrowbar: reading the journal: {done} of {all_} events", end="", file=sys.stderr, flush=True)
                told = True
        if told:
            print(file=sys.stderr)
        app = Console(past)
    except BaseException:
        past.end()
        raise
    gc.freeze()
    gc.enable()
    app.run(mouse=False)
    return app.return_code or 0


def _told(body: Callable[[], int]) -> int:
    """Errors that are no defects, as a sentence."""
    from engine.face import AttachError, CatalogError, PlanError, RackError, ServiceError, StoreError, VaultError

    try:
        return body()
    except (StoreError, ServiceError, VaultError, AttachError, RackError, CatalogError, PlanError) as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2


def attached(store: Path, away: Away) -> int:
    """A console on the engine of another process."""
    from .app import Console
    from .source import Elsewhere

    gc.disable()  # a large store is some million objects that all stay: nothing to collect, and much to walk
    source = Elsewhere(store)
    app = Console(source)
    gc.freeze()
    gc.enable()
    if app.desk.world.plan is None:
        wizard(app)
    done = app.run(mouse=False)
    if app.words:
        away.then(app.words)
    elif done == "stop":
        said = source.stop_engine()
        print(f"crowbar: {said.text}", file=sys.stdout if said.ok else sys.stderr)
    source.close()
    return app.return_code or 0


def wizard(app: Console) -> None:
    from .setup.wizard import Wizard

    app.desk.stack = [Wizard(app.desk)]


def embedded(make: Callable[[], AbstractContextManager[object]], store: Path, away: Away, first_run: bool = False) -> int:
    """A console with its engine in this process."""
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    _log_to(store / "engine.log")
    with make() as running:
        engine: Engine = running.engine  # type: ignore[attr-defined]
        from engine.face import EngineHost

        from .app import Console
        from .source import Embedded

        source = Embedded(engine, EngineHost(engine), getpass.getuser())
        app = Console(source)
        if first_run and app.desk.world.plan is None:
            wizard(app)
        threading.Thread(target=_end_with, args=(engine, app), name="console-stop", daemon=True).start()
        done = app.run(mouse=False)
        source.close()
        code = app.return_code or 0
        if app.words:
            away.then(app.words)
            return code
        if done == "stop" or engine.stop_asked.is_set() or engine.failure:
            if engine.failure:
                print(f"crowbar: {engine.failure}", file=sys.stderr)
                return 1
            return code
        said = f"crowbar: the engine goes on (process {os.getpid()}); crowbar opens the console again"
        away.leave(store / "engine.log", said if not code else f"{said}\ncrowbar: the console failed, see {store / 'engine.log'}")
        _headless(engine)
    return code


def _end_with(engine: Engine, app: object) -> None:
    """Another process asked this engine to stop: the console ends with it."""
    engine.stop_asked.wait()
    with contextlib.suppress(RuntimeError):  # the console was left before
        app.call_from_thread(app.exit, "stop")  # type: ignore[attr-defined]


def _headless(engine: Engine) -> None:
    """Until somebody asks it to stop."""
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
    """Nothing is written to the terminal while the console has it."""
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
    """Before Textual is imported: nothing moves by itself, plain consoles are not asked for what they do not have, and the terminal says
    how large it is: where a shell exports COLUMNS and LINES, these would be believed for ever, whatever it is resized to."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if os.environ.get("TERM", "") in ("linux", "vt100", "vt220", "ansi", "dumb"):
        os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
