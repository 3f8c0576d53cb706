"""The pure parts of the role tempest: which tests are run, what becomes of what the runners say, and the guest's RAM disk."""

from __future__ import annotations

import gzip
import importlib
import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.junit import junit
from engine import validation
from engine.api.views import Proof
from engine.files.catalog import shipped

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "barclamps/tempest/roles/tempest"), str(ROOT / "images/node/cloud")]

guest: Any = importlib.import_module("tempest_guest")
results: Any = importlib.import_module("tempest_results")
suites: Any = importlib.import_module("tempest_suites")

IDENTITY = "tempest.api.identity.v3.test_domains.DefaultDomainTestJSON.test_default_domain_exists"
STORAGE = "tempest.api.object_storage.test_object_services.ObjectTest.test_create_object"
SERVER = "tempest.api.compute.servers.test_create_server.ServersTestJSON.test_list_servers"
KNOWN = [
    f"{IDENTITY}[id-1,smoke]",
    f"{STORAGE}[id-2,smoke]",
    f"{SERVER}[id-3,smoke]",
    "tempest.api.compute.servers.test_x.Other.test_y[id-4,smoke]",
    "tempest.api.identity.v3.test_x.Slow.test_smoke[id-5]",
    *(f"{name}[id-9]" for name in suites.interop()),
]
ALL = list(suites.NEEDS)


def test_a_suite_without_its_services_is_left_out_with_the_reason() -> None:
    chosen = suites.choose(KNOWN, ALL, ["swift", "glance"], [])
    assert chosen.left_out == {"compute": "the deployment has no nova and no neutron"}
    assert {suites.plain(one) for one in chosen.run} == {IDENTITY, STORAGE, *suites.interop()}


def test_servers_are_tested_where_there_are_some() -> None:
    chosen = suites.choose(KNOWN, ["compute"], ["glance", "nova", "neutron"], [])
    assert chosen.run == [f"{SERVER}[id-3,smoke]"]


@pytest.mark.parametrize("rule", [STORAGE, STORAGE.rpartition(".")[0], "tempest.api.object_storage"])
def test_a_rule_excludes_a_test_a_class_or_more(rule: str) -> None:
    chosen = suites.choose(KNOWN, ["object-storage"], ["swift"], [{"test": rule, "reason": "why"}])
    assert (chosen.run, chosen.excluded) == ([], {STORAGE: "why"})
    assert suites.choose(KNOWN, ["object-storage"], ["swift"], [{"test": f"{STORAGE}_again", "reason": "why"}]).excluded == {}


def test_what_is_shipped_as_excluded_has_a_reason_and_a_name_of_tempest() -> None:
    attribute = shipped().attributes["tempest-exclude"]
    assert isinstance(attribute.default, list)
    assert all(one["reason"] and one["test"].count(".") > 4 for one in attribute.default)
    assert len(suites.interop()) == len(set(suites.interop())) == 58


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True), st.integers(1, 5))
def test_workers_share_all_tests_and_no_class_is_split(pairs: list[tuple[int, int]], workers: int) -> None:
    tests = [f"a.b.C{group}.test_{number}[id-{number}]" for group, number in pairs]
    shared = suites.shares(tests, workers)
    assert sorted(one for mine in shared for one in mine) == sorted(tests)
    groups = [{suites.parts(one)[0] for one in mine} for mine in shared]
    assert sum(map(len, groups)) == len(set().union(*groups))


# -- results ---------------------------------------------------------------------------------------------------------

TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/tempest/api/x.py", line 10, in test_x
    self.get()
    ~~~~~~~~^^
tempest.lib.exceptions.BadRequest: Bad request
Details: {'code': 400}
"""


def ended(name: str, result: str = "passed", line: str = "", begun: float = 0.0, end: float = 1.0) -> Any:
    return results.Ended(name, result, line, begun, end)


def chosen(*tests: str) -> Any:
    return suites.Chosen(run=[f"{one}[id-1]" for one in tests], excluded={"a.Old.test": "gone"}, left_out={"compute": "no nova"})


def report(found: Any) -> validation.Report:
    told = found.report(12.0)
    jsonschema.Draft202012Validator(validation.SCHEMA).validate(told)
    read = validation.read(told)
    assert read is not None
    return read


def test_the_cause_is_the_exception_with_its_details() -> None:
    assert results.cause(TRACEBACK) == "tempest.lib.exceptions.BadRequest: Bad request Details: {'code': 400}"
    assert results.cause("") == ""


def test_every_test_is_in_the_report_whatever_happened_to_it() -> None:
    found = results.Results(chosen("a.A.t1", "a.A.t2", "b.B.t1", "c.C.t1", "d.D.t1", "e.E.t1"), services={"keystone": "", "swift": "503"})
    found.take(0, ended("a.A.t1[id-1]", begun=5.0, end=6.0))
    found.take(0, ended("a.A.t2[id-1]", "failed", "404 != 200", 6.0, 9.0))
    found.take(0, ended("setUpClass (b.B)", "failed", "no credentials", 9.0, 11.0))
    found.take(1, ended("setUpClass (c.C)", "skipped", "not on", 1.0, 1.0))
    found.take(1, ended("d.D.t1[id-1]", begun=3.0, end=4.0))
    found.take(1, ended("tearDownClass (d.D)", "failed", "409", 4.0, 5.0))
    assert (found.done, found.bad) == (5, 3)
    told = report(found)
    lines = {f"{group.name}.{case.name}": (case.result, case.line) for group, case in told.tests(*validation.RESULTS)}
    assert lines == {
        "a.A.t1": ("passed", ""),
        "a.A.t2": ("failed", "404 != 200"),
        "a.Old.test": ("excluded", "gone"),
        "b.B.t1": ("failed", "no credentials"),
        "c.C.t1": ("skipped", "not on"),
        "d.D.t1": ("passed", ""),
        "d.D.tearDownClass": ("failed", "409"),
        "e.E.t1": ("failed", "it was not run: its process ended before"),
        "services.keystone": ("passed", ""),
        "services.swift": ("failed", "503"),
        "suites.compute": ("skipped", "no nova"),
    }
    assert (told.passed, told.failed, told.skipped, told.excluded) == (3, 5, 2, 1)
    assert {group.name: group.seconds for group in told.groups}["a.A"] == 4.0
    assert {group.name: group.seconds for group in told.groups}["d.D"] == 4.0


def test_a_report_that_would_be_too_large_keeps_what_failed() -> None:
    names = [f"a.{'x' * 150}{number}.test" for number in range(3000)]
    found = results.Results(suites.Chosen(run=[f"{one}[id]" for one in names]))
    for number, name in enumerate(names):
        found.take(0, ended(f"{name}[id]", "failed" if number == 2999 else "passed", "why" if number == 2999 else ""))
    told = found.report(1.0)
    assert (told["passed"], told["failed"]) == (2999, 1)
    assert len(json.dumps(told)) < 262_144
    assert [one["line"] for group in told["groups"] for one in group["tests"] if one["result"] == "failed"] == ["why"]


@given(st.text(max_size=500))
def test_a_line_is_one_line_and_short(text: str) -> None:
    line = results._one_line(text)
    assert len(line) <= 300
    assert line.isprintable()


def test_a_hundred_thousand_tests_of_one_class_make_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"a.b.Large.test_{number}" for number in range(100_000)]
    found = results.Results(suites.Chosen(run=[f"{one}[id]" for one in names]))
    for number, name in enumerate(names):
        found.take(0, ended(f"{name}[id]", "failed" if number % 2 else "passed", "why" if number % 2 else ""))
    told = report(found)
    assert (told.passed, told.failed) == (50_000, 50_000)
    assert len(told.tests("failed")) == 2000
    assert len(json.dumps(found.report(1.0))) < 262_144
    runner: Any = importlib.import_module("tempest_run")
    assert runner.tell(found, found.report(1.0)) == 1
    assert len(capsys.readouterr().out.splitlines()) < 500


@pytest.mark.parametrize("name", ["", ".", "\x1b[2J\x1b]0;owned\x07.\u202etest", "\ud800.\udfff", "a." * 400, "é.ß", "x\n.y\r"])
def test_a_hostile_name_makes_a_report_all_the_same(name: str) -> None:
    """What a runner says is what a test prints into its stream. Nothing of it may lose the results of the other tests."""
    found = results.Results(suites.Chosen(run=[f"{name}[id]", "a.Good.test[id]"]))
    found.take(0, ended(f"{name}[id]", "failed", "\x1b[31mred\x1b[0m \ud800", begun=-1e18, end=1e18))
    found.take(0, ended("a.Good.test[id]"))
    told = report(found)
    json.dumps(found.report(1.0)).encode("utf-8")
    assert (told.passed, told.failed) == (1, 1)
    assert all(text.isprintable() for group in told.groups for case in group.tests for text in (group.name, case.name, case.line))
    assert [case.name for _, case in told.tests("passed")] == ["test"]


def test_what_a_node_reports_is_shown_without_control_characters() -> None:
    """The role may be another one, or a machine that lies."""
    told = {
        "passed": 0,
        "failed": 1,
        "groups": [{"name": "a\x1b[2J", "tests": [{"name": "b\x07", "result": "failed", "line": "c\u202e\x9b"}]}],
    }
    read = validation.read(told)
    assert read is not None
    ((group, case),) = read.tests("failed")
    assert (group.name, case.name, case.line) == ("a?[2J", "b?", "c??")
    (suite,) = ElementTree.fromstring(junit([proof_of(read)]))
    assert suite.get("name") == "a?[2J"


def proof_of(found: validation.Report) -> Proof:
    return Proof(node="n1", role="tempest", deployment="cloud", result="failed", why=None, seconds=1.0, ended=0.0, report=found)


# -- the guest -------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root with two kernels; the second one has modules, packed in both ways."""
    (tmp_path / "boot").mkdir()
    for release in ("6.1.0-1", "6.12.0-2"):
        (tmp_path / "boot" / f"vmlinuz-{release}").write_bytes(b"kernel")
        (tmp_path / "lib/modules" / release).mkdir(parents=True)
    folder = tmp_path / "lib/modules/6.12.0-2"
    (folder / "virtio.ko.xz").write_bytes(lzma.compress(b"virtio"))
    (folder / "ring.ko.gz").write_bytes(gzip.compress(b"ring"))
    (folder / "virtio_net.ko").write_bytes(b"net")
    (folder / "modules.dep").write_text("virtio.ko.xz:\nring.ko.gz: virtio.ko.xz\nvirtio_net.ko: ring.ko.gz virtio.ko.xz\n")
    return tmp_path


def test_the_ram_disk_has_the_modules_in_their_order(machine: Path) -> None:
    image, folder = guest.kernel(machine)
    assert image.name == "vmlinuz-6.12.0-2"
    assert [one.name for one in guest.needed(folder)] == ["virtio.ko.xz", "ring.ko.gz", "virtio_net.ko"]
    data = guest.ramdisk(folder, b"busybox", {})
    assert data == guest.ramdisk(folder, b"busybox", {})
    out = machine / "out"
    out.mkdir()
    subprocess.run(["cpio", "-id", "--quiet"], input=gzip.decompress(data), cwd=out, check=True)
    assert sorted(one.name for one in (out / "modules").iterdir()) == ["00-virtio.ko", "01-ring.ko", "02-virtio_net.ko"]
    assert (out / "modules/01-ring.ko").read_bytes() == b"ring"
    assert (out / "bin/busybox").read_bytes() == b"busybox"
    assert guest.HELLO in (out / "init").read_text()
    for script in ("init", "lease"):
        subprocess.run(["sh", "-n", str(out / script)], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("busybox") is None, reason="needs root, and busybox")
def test_the_guests_busybox_runs_with_the_libraries_of_the_node(machine: Path) -> None:
    """Debian's `busybox` is not a static one, and `busybox-static` cannot stand beside it."""
    found = guest.libraries(guest.busybox())
    data = guest.ramdisk(guest.kernel(machine)[1], guest.busybox().read_bytes(), found)
    out = machine / "out"
    out.mkdir()
    subprocess.run(["cpio", "-id", "--quiet"], input=gzip.decompress(data), cwd=out, check=True)
    words = [
        "chroot",
        str(out),
        "/bin/busybox",
        "sh",
        "-c",
        "for one in udhcpc ip insmod mount; do busybox --list | busybox grep -x $one; done",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["udhcpc", "ip", "insmod", "mount"], done


def test_a_static_busybox_has_no_libraries(tmp_path: Path) -> None:
    (tmp_path / "busybox").write_text("no program")
    assert guest.libraries(tmp_path / "busybox") == {}


def test_a_node_without_a_kernel_says_so(tmp_path: Path) -> None:
    with pytest.raises(guest.Fault, match="no kernel in /boot"):
        guest.kernel(tmp_path)
