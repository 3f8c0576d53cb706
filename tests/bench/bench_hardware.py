"""What hardware records cost: the reports of a machine read and kept, a second look compared, all machines checked, one shown; and the commands
`crowbar hardware check`, `show` and `diff` on a store with all of them.
`python tests/bench/bench_hardware.py [MACHINES]`

The machines are servers with 32 DIMMs, 24 drives and 4 ports, in four families; one of each family has an older BIOS. Times are of the
processor. The reports have the forms of dmidecode and smartctl, as a simulated rack gives them (`engine.racks.simulated.reports`).
"""

from __future__ import annotations

import base64
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from bench_console import make
from limits import figure, run

from engine.core.hardware.parts_diff import differences, facts, outliers
from engine.racks.simulated.reports import packed, reports
from engine.runtime.hardware import HardwareReports, read_bundle
from engine.store.hardware import HardwareShelf

MACHINES = 1000
LIMIT_S = 300.0


def machine(number: int, out: int = 0) -> Any:
    """The simulated machine of that number, with so many DIMMs out."""
    nics = [
        SimpleNamespace(name=f"eno{n}", mac=f"52:54:00:{number >> 8:02x}:{number & 255:02x}:{n:02x}", pci=f"0000:3b:00.{n}", driver="ice")
        for n in range(4)
    ]
    hardware = SimpleNamespace(
        vendor="Dell Inc.",
        product=f"Family {number % 4}",
        serial=f"S{number}",
        uuid="",
        memory_mb=524288,
        cpus=64,
        firmware="efi",
        nics=nics,
    )
    drives = [
        SimpleNamespace(
            name=f"sd{n}",
            serial=f"D{number}-{n}",
            size=8 * 10**12,
            rotational=True,
            wwn=f"naa.5000c500{number:05d}{n:03d}",
            transport="sas",
        )
        for n in range(24)
    ]
    return SimpleNamespace(
        hardware=hardware,
        versions=lambda: {"bios": "2.10.2"},
        faults=SimpleNamespace(dimms_out=out),
        physical=lambda: [(one, None) for one in drives],
    )


def bundle(number: int, out: int = 0) -> bytes:
    found = reports(machine(number, out))
    if number < 4:
        found["dmidecode"] = found["dmidecode"].replace("2.10.2", "2.4.0")
    return base64.b64decode(packed(found))


def commands(store: Path, machines: int) -> dict[str, float]:
    """Command -> seconds of the processor, of a process of its own."""
    make(store, machines)
    out = {}
    for words in ("nodes", "hardware check", "hardware show node-7", "hardware diff node-7"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *words.split()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1) or not done.stdout or (words == "hardware diff node-7" and "is gone" not in done.stdout):
            raise SystemExit(f"crowbar {words}: exit code {done.returncode}: {done.stdout[-300:]}{done.stderr[-500:]}")
        out[words] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return out


def main(machines: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shelf = HardwareShelf(Path(folder))
        keeper = HardwareReports(shelf)
        first, second = ([bundle(n, out) for n in range(machines)] for out in (0, 1))
        begun = process_time()
        for number, raw in enumerate(first):
            keeper.keep(f"n{number}", read_bundle(raw), "in-band", raw)
        kept = process_time()
        changes = [keeper.keep(f"n{number}", read_bundle(raw), "in-band", raw)["changes"] for number, raw in enumerate(second)]
        compared = process_time()
        families: dict[str, dict[str, dict[str, str]]] = {}
        for node, record in shelf.all():
            known = facts(record.parts)
            families.setdefault(known["system"], {})[node] = known
        odd = {node for members in families.values() for node in outliers(members)}
        checked = process_time()
        record = shelf.now("n7")
        assert record is not None
        differences(record.parts, record.parts)
        shown = process_time()
        times = commands(Path(folder), machines)
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    if not all("is gone" in one[0] for one in changes) or odd != {f"n{n}" for n in range(4)}:
        raise SystemExit(f"the comparison is wrong: {changes[:1]}, {sorted(odd)}")
    for what, seconds, many in (
        ("read and kept", kept - begun, machines),
        ("a second look, compared", compared - kept, machines),
        ("checked against its family", checked - compared, machines),
        ("one shown and compared", shown - checked, 1),
    ):
        print(f"{what}: {seconds / many * 1e3:.2f} ms a machine, {seconds:.2f} s for {many:,}")
        figure(f"{what}, a machine", seconds / many * 1e3, "ms")
    for words, seconds in times.items():
        print(f"crowbar {words}: {seconds:.2f} s of the processor, with its start")
        figure(words, seconds, "s")
    print(f"on the disk: {disk / machines / 1024:.1f} KiB a machine, with its reports and one earlier record")
    figure("on the disk, a machine", disk / machines / 1024, "KiB")


if __name__ == "__main__":
    raise SystemExit(run("hardware", lambda: main(int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES), LIMIT_S))
