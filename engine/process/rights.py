"""The rights of an engine's process: it gives up root and whatever else it does not need, before it opens a port or starts a thread.

Two capabilities are enough to serve a rack (`capabilities.NAMES`), so root is given up first and the ports are opened without it. Which
user it becomes, of these the first that there is:

    the named one      `--user NAME`, or CROWBAR_USER
    the store's owner  files that root writes into somebody's store would lock that user out
    crowbar            the account of the Debian package, for a store that does not exist yet

Where none fits, the engine keeps root, and `Rights.why_root` says why. In any case the process gets no new privileges by `execve`, no
other user's process may look into its memory, no core file is written, because secrets are in it, and its files are for its group at most.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
from pathlib import Path

from msgspec import Struct

from . import capabilities
from .capabilities import PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS

ACCOUNT = "crowbar"
VARIABLE = "CROWBAR_USER"
MASK = 0o027
PROGRAM = Path(__file__).resolve()
"""Modules are loaded when they are first used."""
REHEARSAL = "a rehearsal makes network namespaces"


class RightsError(Exception):
    """The process cannot become the named user. The text is one sentence with advice."""


class Rights(Struct, frozen=True, kw_only=True):
    user: str
    capabilities: tuple[str, ...]
    why_root: str = ""
    """Why the process keeps root, as the end of a sentence. Empty: it is not root."""


_why_root = ""


def now() -> Rights:
    """What this process may do."""
    user, root = os.geteuid(), os.geteuid() == 0
    return Rights(user=name_of(user), capabilities=capabilities.names(), why_root=(_why_root or "it was started as root") if root else "")


def give_up(store: Path, keys: Path, named: str = "") -> Rights:
    """For a process that will run an engine on this store, before its threads start. Makes store and keys for the user if they do not
    exist. Raises RightsError."""
    if os.geteuid() != 0:
        _bare()
        capabilities.keep(capabilities.NAMES)
        return now()
    named = named or os.environ.get(VARIABLE, "")
    user, why = _chosen(store, named)
    if user is not None:
        why = _unfit(user, store, keys)
        if why and named:
            raise RightsError(f"the engine cannot run as {user.pw_name}: {why}")
    if user is None or why:
        return keep_root(why)
    for folder in (store, keys):
        _made_for(user, folder)
    _become(user)
    _bare()
    return now()


def keep_root(why: str) -> Rights:
    """All but the user changes."""
    global _why_root
    _why_root = why
    _bare()
    return now()


def _chosen(store: Path, named: str) -> tuple[pwd.struct_passwd | None, str]:
    """The user to become. None: root, and why. Raises RightsError."""
    if named:
        try:
            found = pwd.getpwuid(int(named)) if named.isdecimal() else pwd.getpwnam(named)
        except KeyError:
            raise RightsError(f"there is no user {named}: name another with --user") from None
        return (found, "") if found.pw_uid else (None, f"user {named} is asked for")
    owner = _owner(store)
    if owner is None:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(ACCOUNT), ""
        return None, f"there is no user {ACCOUNT}: create it (adduser --system --group {ACCOUNT}), or name one with --user"
    if owner == 0:
        return None, f"its store {store} belongs to root: give store and keys to a user (chown -R), or name one with --user"
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(owner), ""
    return None, f"its store {store} belongs to user {owner}, who has no account"


def _unfit(user: pwd.struct_passwd, store: Path, keys: Path) -> str:
    """Why this user cannot work there. Empty: it can. Tried as that user, so that every rule of the file system counts."""
    if not _is_mapped(user.pw_uid):
        return f"it is root in a user namespace, which has no user {user.pw_name}"
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        if shut := _shut(PROGRAM):
            return f"user {user.pw_name} may not read the program in {shut}: install it where everybody may"
        for folder in (store, keys):
            if shut := _shut(folder):
                return f"user {user.pw_name} may not enter {shut}: choose another directory with --store"
            if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
                return f"user {user.pw_name} may not write {folder}: give it to that user (chown -R {user.pw_name}: {folder})"
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
    return ""


def _shut(path: Path) -> str:
    """The first folder on the way to this one that the effective user may not enter. Empty: none."""
    for parent in reversed(path.parents):
        if parent.is_dir() and not os.access(parent, os.X_OK, effective_ids=True):
            return str(parent)
    return ""


def _made_for(user: pwd.struct_passwd, folder: Path) -> None:
    """Raises RightsError. By its descriptor: in somebody's folder, another thing may have that name by now."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchown(handle, user.pw_uid, user.pw_gid)
            finally:
                os.close(handle)
    except OSError as error:
        raise RightsError(f"cannot make {folder} for user {user.pw_name} ({error.strerror}): choose another with --store") from error


def _become(user: pwd.struct_passwd) -> None:
    capabilities.bound_to(capabilities.NAMES)
    os.initgroups(user.pw_name, user.pw_gid)
    capabilities.prctl(PR_SET_KEEPCAPS, 1)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    capabilities.prctl(PR_SET_KEEPCAPS, 0)
    capabilities.keep(capabilities.NAMES)


def _bare() -> None:
    """What holds for every engine, root or not."""
    os.umask(os.umask(MASK) | MASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    capabilities.prctl(PR_SET_DUMPABLE, 0)  # a core that is piped to a program knows no limit
    capabilities.prctl(PR_SET_NO_NEW_PRIVS, 1)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _is_mapped(uid: int) -> bool:
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return any(first <= uid < first + many for first, _, many in (map(int, line.split()) for line in lines))
