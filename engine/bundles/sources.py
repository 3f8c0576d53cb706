"""The parts of a bundle for services from source: the repositories at their revisions, and the wheels that were built of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..definitions import Catalog
from ..files.paths import keys_beside
from ..plan import Plan
from ..sources import FOLDER, SourceError
from ..sources.build import Resolved, built, resolve
from ..sources.git import mirror
from ..sources.shelf import MANIFEST, Kept
from ..sources.why import why
from ..sources.wish import Build, Origin
from . import BundleError, needs


def from_source(store: Path, plan: Plan, catalog: Catalog, work: Path, tell: Callable[[str], None]) -> dict[str, Path | bytes]:
    """Part -> its file. Builds what was not built yet. Raises BundleError and OSError."""
    found: dict[str, Path | bytes] = {}
    sources = store / FOLDER
    commits: dict[str, dict[str, str]] = {}
    try:
        for build in needs.builds(plan, catalog):
            tell(f"{build.name} from {build.wish.repository} {build.wish.revision}")
            resolved = resolve(sources, build)
            if resolved.note:
                tell(resolved.note)
            kept = _built(store, resolved, build, work)
            for name in (MANIFEST, *(one.name for one in (*kept.manifest.files, *kept.manifest.build))):
                found[f"{FOLDER}/{kept.folder.name}/{name}"] = kept.folder / name
            for origin, commit in resolved.commits.items():
                commits.setdefault(origin.repository, {})[origin.revision] = commit
        for repository, wanted in sorted(commits.items()):
            origin = Origin(repository=repository, revision=next(iter(wanted)))
            file = work / f"{origin.id}.bundle"
            with mirror(sources, origin) as one:
                one.pack(wanted, file)
            found[f"{FOLDER}/{file.name}"] = file
    except SourceError as error:
        raise BundleError(f"a service from source: {error}; or leave the sources out (--without sources)") from error
    return found


def _built(store: Path, resolved: Resolved, build: Build, work: Path) -> Kept:
    log = work / f"{build.name}.log"
    with log.open("ab") as out:
        try:
            return built(store / FOLDER, resolved, [store, keys_beside(store)], out.fileno())
        except SourceError as error:
            raise SourceError(error.code, f"{error}: {why(log.read_text(encoding='utf-8', errors='replace'))}".rstrip(": ")) from error
