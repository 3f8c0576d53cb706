"""What the engine's process may do, read from the kernel. Real processes of real users, so most of it needs root."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
BOTH = 1 << 10 | 1 << 13
"""CAP_NET_BIND_SERVICE and CAP_NET_RAW (capabilities(7))."""
USER = "nobody"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
needs_setpriv = pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is missing")
Found = dict[str, Any]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own ones are shut."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def given_up(store: Path, name: str = "", *, before: tuple[str, ...] = ()) -> Found:
    command = [*before, sys.executable, str(HERE / "given_up.py"), str(store), *([name] if name else [])]
    kept = {key: value for key, value in os.environ.items() if key != "CROWBAR_USER"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=kept, timeout=120)
    found: Found = json.loads(done.stdout)
    return found


def mask(of: Found, *names: str) -> list[int]:
    return [int(of[name], 16) for name in names]


@needs_root
def test_root_is_given_up_for_good(place: Path) -> None:
    found = given_up(place / "store", USER)
    uid, gid = pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid
    own = found["own"]
    assert own["Uid"].split() == [str(uid)] * 4
    assert own["Gid"].split() == [str(gid)] * 4
    assert "0" not in own["Groups"].split()
    assert mask(own, "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb") == [BOTH, BOTH, BOTH, 0, 0]
    assert own["NoNewPrivs"] == "1"
    assert found["rights"] == {"user": USER, "capabilities": ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"], "why_root": ""}


@needs_root
def test_store_and_keys_are_the_users(place: Path) -> None:
    given_up(place / "deep" / "store", USER)
    for folder in (place / "deep" / "store", place / "deep" / "store.keys"):
        about = folder.stat()
        assert (about.st_uid, about.st_mode & 0o777) == (pwd.getpwnam(USER).pw_uid, 0o700)


@needs_root
@pytest.mark.parametrize("user", [USER, "root"])
def test_secrets_do_not_leave_the_memory(place: Path, user: str) -> None:
    found = given_up(place / "store", user)
    assert found["core"] == ["0", "0"]
    assert found["memory_of"] == 0
    assert int(found["own"]["Umask"], 8) & 0o027 == 0o027
    assert found["own"]["NoNewPrivs"] == "1"


@needs_root
def test_programs_that_it_starts_get_nothing_but_what_is_lent(place: Path) -> None:
    found = given_up(place / "store", USER)
    for who in ("child", "after"):
        assert mask(found[who], "CapEff", "CapPrm", "CapInh", "CapAmb") == [0, 0, 0, 0]
    assert mask(found["lent"], "CapEff", "CapPrm") == [1 << 13, 1 << 13]


@needs_root
@needs_setpriv
def test_a_user_with_more_than_it_needs_keeps_only_that(place: Path) -> None:
    """As systemd starts the unit, whose capabilities would otherwise go to every program of the engine."""
    some = "+net_bind_service,+net_raw,+net_admin,+sys_time"
    before = ("setpriv", f"--reuid={USER}", "--clear-groups", f"--inh-caps={some}", f"--ambient-caps={some}")
    found = given_up(place / "store", before=before)
    assert mask(found["own"], "CapEff", "CapPrm", "CapInh", "CapAmb") == [BOTH, BOTH, 0, 0]
    assert mask(found["child"], "CapEff", "CapPrm", "CapInh", "CapAmb") == [0, 0, 0, 0]
    assert mask(found["lent"], "CapEff") == [1 << 13]


@needs_root
def test_the_owner_of_the_store_is_the_user(place: Path) -> None:
    """Also where another account would be there: root's files would lock the owner out."""
    (place / "store").mkdir()
    os.chown(place / "store", pwd.getpwnam(USER).pw_uid, -1)
    assert given_up(place / "store")["rights"]["user"] == USER


@needs_root
def test_root_that_cannot_be_given_up_says_why(place: Path) -> None:
    mine, shut = place / "mine", place / "shut"
    mine.mkdir()
    shut.mkdir(mode=0o700)
    (shut / "store").mkdir()
    os.chown(shut / "store", pwd.getpwnam(USER).pw_uid, -1)
    for store, name, why in (
        (mine, "", f"its store {mine} belongs to root: give store and keys to a user"),
        (mine, "root", "user root is asked for"),
        (shut / "store", "", f"user {USER} may not enter {shut}: choose another directory with --store"),
    ):
        found = given_up(store, name)
        assert found["rights"]["user"] == "root"
        assert found["rights"]["why_root"].startswith(why)
        assert found["own"]["NoNewPrivs"] == "1"


@needs_root
def test_a_named_user_that_cannot_be_is_refused(place: Path) -> None:
    (place / "mine").mkdir(mode=0o700)
    assert given_up(place / "store", "no-such-user") == {"error": "there is no user no-such-user: name another with --user"}
    assert given_up(place / "mine", USER)["error"].startswith(
        f"the engine cannot run as {USER}: user {USER} may not write {place / 'mine'}"
    )


@needs_root
def test_a_link_in_the_place_of_a_store_is_not_given_away(place: Path) -> None:
    (place / "roots").mkdir(mode=0o700)
    (place / "store.keys").symlink_to(place / "roots")
    assert "may not write" in given_up(place / "store", USER)["error"]
    assert (place / "roots").stat().st_uid == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing")
def test_root_of_a_user_namespace_says_so(place: Path) -> None:
    """A rehearsal without root, or a container."""
    before = ("unshare", "--user", "--map-root-user")
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    found = given_up(place / "store", USER, before=before)
    assert found["error"] == f"the engine cannot run as {USER}: it is root in a user namespace, which has no user {USER}"
