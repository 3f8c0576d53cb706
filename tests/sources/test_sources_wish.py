"""What a source attribute may say. Nothing of it becomes an option, or a transport that runs a program."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from engine.files.barclamp_sources import REPOSITORY, REQUIREMENT, REVISION, SCHEMA
from engine.sources import SourceError
from engine.sources.why import why
from engine.sources.wish import MOST, builds_of, wish_of

GOOD = {"repository": "https://opendev.org/openstack/keystone", "revision": "stable/2023.1"}
BAD_URLS = (
    "--upload-pack=touch /tmp/x",
    "ext::sh -c 'touch /tmp/x'",
    "fd::17",
    "/srv/git/keystone",
    "host:path",
    "git@host:path",
    "ssh://-oProxyCommand=x/y",
    "ssh://host/-x y",
    "https://user:word@host/x",
    "https://host/x\n",
    "https://host/x;touch",
    "file://host/x",
    "https://" + "h" * 600,
    "",
)
BAD_REVISIONS = ("--all", "-x", "a b", "a..b", "refs/heads/../x", "v1\n", "a:b", "a^{commit}", "@{-1}", "x.lock", "r" * 300, "$(id)")


@pytest.mark.parametrize(
    "url",
    [
        GOOD["repository"],
        "ssh://git@example.org:29418/x.git",
        "git://example.org/x",
        "file:///srv/git/x.git",
        "http://10.0.0.1:3000/a/b",
    ],
)
def test_usual_urls_are_taken(url: str) -> None:
    value = GOOD | {"repository": url}
    jsonschema.validate(value, SCHEMA)
    wish = wish_of(value)
    assert wish is not None
    assert wish.repository == url


@pytest.mark.parametrize("url", BAD_URLS)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SourceError) as refused:
        wish_of({"repository": url or "-", "revision": "v1"})
    assert refused.value.code == "source_address"
    if not url.endswith("\n"):
        assert not re.search(REPOSITORY, url), "the plan takes it"


@pytest.mark.parametrize("revision", BAD_REVISIONS)
def test_what_is_no_revision_is_refused(revision: str) -> None:
    with pytest.raises(SourceError) as refused:
        wish_of(GOOD | {"revision": revision})
    assert refused.value.code == "source_address"


@pytest.mark.parametrize("revision", ["v1.0", "stable/2023.1", "a" * 40, "refs/changes/12/3412/1", "27.0.1+x"])
def test_usual_revisions_are_taken(revision: str) -> None:
    assert re.search(REVISION, revision)
    assert wish_of(GOOD | {"revision": revision}) is not None


@pytest.mark.parametrize(
    "text", ["-r/etc/passwd", "--index-url=http://x", "a @ https://x/y.whl", "./x", "a;import os", "git+https://x/y", "a b"]
)
def test_a_requirement_is_a_name_and_a_version(text: str) -> None:
    assert not re.search(REQUIREMENT, text)
    with pytest.raises(SourceError):
        builds_of("x", {"source": {"wanted": [], "requirements": [text]}})


@pytest.mark.parametrize("text", ["PyMySQL", "uwsgi>=2.0,<3", "oslo.messaging[kafka]==14.0.0", "a~=1.4.2"])
def test_usual_requirements(text: str) -> None:
    assert re.search(REQUIREMENT, text)


@pytest.mark.parametrize(
    "value",
    [{"repository": GOOD["repository"]}, {"revision": "v1"}, GOOD | {"from": "x"}, GOOD | {"constraints": {"path": "a"}}, "v1", 7],
)
def test_the_schema_refuses_half_a_source(value: Any) -> None:
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


def test_packages_wish_nothing_and_equal_wishes_are_one() -> None:
    def rows(*values: Any) -> Any:
        return {"source": {"wanted": [{"node": f"n{i}", "role": "x", "value": one} for i, one in enumerate(values)], "python": "python3"}}

    assert builds_of("x", rows({}, None, {})) == []
    limits = GOOD | {"constraints": {"repository": GOOD["repository"], "revision": "v1", "path": "upper.txt"}}
    found = builds_of("x", rows(GOOD, {}, dict(reversed(GOOD.items())), limits))
    assert [one.wish.constraints is not None for one in found] == [False, True]
    with pytest.raises(SourceError, match="16 is the most"):
        builds_of("x", rows(*(GOOD | {"revision": f"v{i}"} for i in range(MOST + 1))))
    with pytest.raises(SourceError, match="is not a path in a repository"):
        builds_of("x", rows(GOOD | {"constraints": {"repository": GOOD["repository"], "revision": "v1", "path": "../x"}}))


def test_the_cause_of_a_failed_build() -> None:
    log = """
  error: subprocess-exited-with-error
  × Building wheel for greet (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [9 lines of output]
      Traceback (most recent call last):
        File "/tmp/src/setup.py", line 2, in <module>
      ModuleNotFoundError: No module named 'pbr'
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for greet
Failed to build greet
ERROR: Failed to build one or more wheels
"""
    assert why(log) == "ModuleNotFoundError: No module named 'pbr'"
    assert why("ERROR: No matching distribution found for pbr>=2\n") == "ERROR: No matching distribution found for pbr>=2"
    assert why("Killed\x1b[31m\n") == "Killed [31m"
    assert why("") == ""
