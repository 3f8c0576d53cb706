"""Installing by image against Debian's own installer, on the same machine, one after the other: `python tests/bench/bench_install.py [SYSTEM]`.

Each begins with a machine that is switched on with an empty disk, and ends when the engine has it `ready`. Both systems have the same kernel, SSH
and chrony; packages come through the engine's cache, and each run begins with an empty one. Seconds since the machine was switched on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "install"), str(ROOT / "tests" / "bench")]

import debian_machine as lab
from limits import figure, run, waiting_for

from engine.model import State
from engine.views.summary import settled

WISHES = {
    "image": {"install_method": "image"},
    "preseed": {"install_method": "preseed", "kernel_package": "linux-image-cloud-amd64"},
}
MOST_S = 5400


def bring_up(system: str, method: str, folder: Path) -> dict[str, int]:
    """Stage -> seconds since the machine was switched on."""
    with lab.site(folder, target_os=system, **WISHES[method]) as site:
        site.until("hello", lambda: site.runs == "sledgehammer", MOST_S)
        site.until("discovered", lambda: site.node is not None and site.node.stage != "discovery", MOST_S)
        site.until("order", lambda: site.installed(State.TRANSITION), MOST_S)
        site.until("installed", lambda: site.installed(State.ACTIVE), MOST_S)
        site.until("system", lambda: site.runs == system, MOST_S)
        site.until("ready", lambda: settled(site.engine.world, 1) == "ready", MOST_S)
        return dict(site.times)


def main(system: str = "debian-13") -> None:
    if why := lab.unfit("sledgehammer", "loader", system, f"{system}-installer"):
        print(f"skipped: {why}")
        return
    found = {}
    for method in WISHES:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            with waiting_for(f"a machine installed by {method}"):
                found[method] = bring_up(system, method, Path(folder) / "site")
            print(f"{method}: ready after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    stages = ("hello", "discovered", "order", "installed", "system", "ready")
    print(f"{system:<10}" + "".join(f"{stage:>12}" for stage in stages))
    for method, times in found.items():
        print(f"{method:<10}" + "".join(f"{times[stage]:>12}" for stage in stages))
        figure(f"{method}, ready", times["ready"], "s")
    for what, first, last in (("order to installed", "order", "installed"), ("discovered to the system's hello", "discovered", "system")):
        took = {method: times[last] - times[first] for method, times in found.items()}
        print(f"{what}: image {took['image']} s, installer {took['preseed']} s, {took['preseed'] / max(took['image'], 1):.1f} times")


if __name__ == "__main__":
    raise SystemExit(run("install", lambda: main(*sys.argv[1:]), 2 * MOST_S))
