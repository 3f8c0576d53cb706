#!/usr/bin/python3
"""Runs Tempest against the deployment, and reports what it found in the attribute `tempest-results`.

The role's attributes say what is tested. A class of tests stays in one process, and there are as many processes as cores.

* A service that the plan has and that is not in Keystone's catalogue yet is waited for: with exit code 128 the engine runs the role again
  soon, and the node may do other things meanwhile.
* A service that is there and does not answer fails its tests.

Exit: 0; 1 a test failed that is not excluded, or Tempest cannot be run; 128 a service is not there yet.
"""

from __future__ import annotations

import io
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloud import File, Site
from cloud_api import Fault, Http
from tempest_guest import publish
from tempest_results import Ended, Results, ended
from tempest_site import Cloud, NotYet, configuration
from tempest_suites import Chosen, choose, shares

HOME = Path("/var/lib/crowbar-tempest")
PACKAGES = Path("/usr/lib/python3/dist-packages")
RUNNER = ["-m", "stestr.subunit_runner.run", "discover", "-t", str(PACKAGES), str(PACKAGES / "tempest/test_discover")]
"""What `tempest run` starts, too, without asking twice for the list of all tests."""
MOST_TEXTS = 20
MOST_TOLD = 200
"""Failed tests whose line is in the log. All of them count."""
TELL_S = 1.0
"""Seconds between two calls for progress: each counts all tests."""
AGAIN = 128
PATIENT_LEGS = 60
"""So many times, 10 s or more apart, compute nodes that are not up are waited for. Then the tests show what is wrong."""


def progress(percent: int, text: str) -> None:
    """Not into the log, whose first complaint is what people are shown."""
    file = os.environ.get("CROWBAR_PROGRESS")
    if file:
        with open(file, "a", encoding="utf-8") as out:
            out.write(f"{percent} {text}\n")


def leg() -> int:
    """How often this attempt has begun."""
    last = os.environ.get("CROWBAR_ATTEMPT", "").rpartition(".")[2]
    return int(last) if last.isdecimal() else 1


def environment(servers: bool = False) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(HOME),
        "TEMPEST_CONFIG_DIR": str(HOME / "etc"),
        "TEMPEST_CONFIG": "servers.conf" if servers else "tempest.conf",
        "OS_STDOUT_CAPTURE": "1",
        "OS_STDERR_CAPTURE": "1",
        "OS_LOG_CAPTURE": "0",
    }


def known_tests() -> list[str]:
    done = subprocess.run([sys.executable, *RUNNER, "--list"], env=environment(), cwd=HOME, capture_output=True, check=False)
    found: list[str] = []

    class Names:
        def startTestRun(self) -> None: ...
        def stopTestRun(self) -> None: ...
        def status(self, test_id: str | None = None, test_status: str | None = None, **_more: Any) -> None:
            if test_status == "exists" and test_id:
                found.append(test_id)

    import subunit

    subunit.ByteStreamToStreamResult(io.BytesIO(done.stdout), non_subunit_name="stdout").run(Names())
    if not found:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Fault(f"Tempest lists no tests: {said[-1] if said else 'it said nothing'}")
    return found


class Workers:
    """The processes that run the tests. What ends is in `news`: number of the worker, and the test; None: the worker ended."""

    def __init__(self, tests: Sequence[Sequence[str]], servers: bool) -> None:
        self.news: queue.Queue[tuple[int, Ended | None]] = queue.Queue()
        self.left = len(tests)
        for number, mine in enumerate(tests):
            names = HOME / f"tests-{number}"
            names.write_text("".join(f"{one}\n" for one in mine), encoding="utf-8")
            with (HOME / f"errors-{number}").open("wb") as errors:
                process = subprocess.Popen(
                    [sys.executable, *RUNNER, "--load-list", str(names)],
                    env=environment(servers),
                    cwd=HOME,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        import subunit
        import testtools

        def take(told: Any) -> None:
            one = ended(told)
            if one is not None:
                self.news.put((number, one))

        result = testtools.StreamToDict(take)
        result.startTestRun()
        try:
            subunit.ByteStreamToStreamResult(process.stdout, non_subunit_name="stdout").run(result)
        finally:
            result.stopTestRun()
            process.wait()
            self.news.put((number, None))


def run(results: Results, tests: Sequence[str], workers: int, servers: bool) -> None:
    if not tests:
        return
    at_work, todo, told = Workers(shares(tests, workers), servers), len(results.chosen.run), -TELL_S
    while at_work.left:
        number, one = at_work.news.get()
        if one is None:
            at_work.left -= 1
            results.next_worker(number)
            continue
        results.take(number, one)
        if time.monotonic() < told + TELL_S:
            continue
        told = time.monotonic()
        done, bad = results.done, results.bad
        progress(5 + 94 * done // todo, f"{done} of {todo} tests{f', {bad} failed' if bad else ''}")


def main() -> int:
    begun = time.monotonic()
    site = Site(json.loads(Path(os.environ.get("CROWBAR_ATTRIBUTES", "attributes.json")).read_text(encoding="utf-8")))
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "lock").mkdir(parents=True)
    (HOME / "etc").mkdir()
    HOME.chmod(0o700)
    results = examine(Cloud(site), site)
    report = results.report(time.monotonic() - begun)
    gives = os.environ.get("CROWBAR_GIVES")
    if gives:
        Path(gives).write_text(json.dumps({"tempest-results": report}), encoding="utf-8")
    return tell(results, report)


def examine(cloud: Cloud, site: Site) -> Results:
    """Raises NotYet."""
    try:
        services = cloud.services()
    except (Fault, Http) as wrong:
        return Results(Chosen(), services={"keystone": f"the administrator cannot log in: {wrong}"})
    results = Results(Chosen(), services={name: cloud.wrong(name) for name in ("keystone", *services)})
    if results.services["keystone"]:
        return results
    if "nova" in services and not results.services["nova"] and leg() <= PATIENT_LEGS:
        cloud.computes()
    workers = 1 if site.small else os.cpu_count() or 1
    progress(1, f"making accounts for the tests of {', '.join(results.services)}")
    cloud.clean()
    try:
        test(cloud, site, results, services, workers)
    finally:
        cloud.clean()
    return results


def test(cloud: Cloud, site: Site, results: Results, services: list[str], workers: int) -> None:
    features = cloud.storage_features() if results.services.get("swift") == "" else []
    put("authority.pem", str(site("site-authority")))
    put("accounts.yaml", json.dumps(cloud.accounts(workers, services)))
    put("etc/tempest.conf", File(configuration(site, services, HOME, features, {})).text())
    progress(3, "listing the tests")
    results.chosen = choose(known_tests(), site("tempest-suites"), services, site("tempest-exclude"))
    of_servers = [one for one in results.chosen.run if one.startswith("tempest.api.compute.")]
    run(results, [one for one in results.chosen.run if one not in of_servers], workers, servers=False)
    if of_servers:
        progress(5, "making the guest that servers boot")
        put("etc/servers.conf", File(configuration(site, services, HOME, features, publish(cloud.keystone))).text())
        run(results, of_servers, 1, servers=True)


def put(name: str, text: str) -> None:
    """In a folder that only root can read: it has passwords."""
    (HOME / name).write_text(text, encoding="utf-8")


def tell(results: Results, report: dict[str, Any]) -> int:
    """The first line is the one that people are shown."""
    failed = results.failed()
    counts = ", ".join(f"{report[result]} {result}" for result in ("passed", "skipped", "excluded"))
    if not failed:
        print(f"tempest: {counts} in {report['seconds']:.0f} s")
        return 0
    name, line = failed[0]
    short = ".".join(name.split(".")[-2:])
    print(f"tempest: {len(failed)} failed: {short}: {line}", flush=True)
    print(f"tempest: {counts} in {report['seconds']:.0f} s")
    for name, line in failed[:MOST_TOLD]:
        print(f"- {name}: {line}")
    for name, text in results.texts()[:MOST_TEXTS]:
        print(f"| {name}")
        print("".join(f"| {one}\n" for one in text.splitlines()), end="")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotYet as wrong:
        print(f"tempest: {wrong}", file=sys.stderr)
        sys.exit(AGAIN)
    except (Fault, Http) as wrong:
        print(f"tempest: {wrong}", file=sys.stderr)
        sys.exit(1)
