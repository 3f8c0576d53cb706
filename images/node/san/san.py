#!/usr/bin/env python3
"""The delegate of a SAN: `san.py run|verify|remove` with the environment of a task, and `san.py restore FOLDER` after a reboot.

Exit: as a role's script. The last line on stderr says why, without a secret. Python 3.9 without packages: it also runs on nodes.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import san_model as model  # noqa: E402  - beside this file, which may lie anywhere
from san_lio import Lio  # noqa: E402
from san_rack import Rack  # noqa: E402
from san_store import Pool, Store  # noqa: E402
from san_tgt import Tgt  # noqa: E402

NOT_SO, OTHER = 1, 2
HOME, POOL = "var/lib/crowbar-san", "pool"
PORT = 3260
UNIT = """\
[Unit]
Description=Exposes the LUNs of Crowbar again
After=tgt.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 /usr/lib/crowbar/san/san.py restore {folder}

[Install]
WantedBy=multi-user.target
"""


class San:
    """One SAN: its driver, its data and what is kept of it."""

    def __init__(self, name, access, device, folder):
        self.name, self.store = name, Store(folder, name)
        address = str(device.get("address") or "")
        self.portal = f"{address}:{access.get('port') or PORT}"
        if device.get("simulated"):
            self.driver = self.pool = Rack(str(device["simulated"]))
            return
        if not address:
            raise model.SanError(
                f"the address of {name} is not known: set `address` in san-access, or the node that carries it (`delegate`)"
            )
        self.pool = Pool(Path(access["pool"]) if access.get("pool") else folder / POOL, not access.get("pool"))
        self.driver = Tgt() if access.get("driver") == "tgt" else Lio(self.portal)

    def other_secret(self, want):
        """Targets whose secret is not the one with which they were exposed."""
        before = self.store.exposed()
        return {name for name, one in want.items() if name in before and before[name].secret != one.secret}


def main(words):
    if len(words) == 2 and words[0] == "restore":
        return _guard(lambda: _restore(Path(words[1])), OTHER)
    if words not in (["run"], ["verify"], ["remove"]):
        print("usage: san.py run|verify|remove, or san.py restore FOLDER", file=sys.stderr)
        return OTHER
    return _guard(lambda: _task(words[0]), OTHER if words[0] == "verify" else NOT_SO)


def _guard(work, wrong):
    try:
        return work()
    except model.SanError as error:
        print(f"san: {error}", file=sys.stderr)
        return wrong
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        print(f"san: the task cannot be carried out: {type(error).__name__}: {error}", file=sys.stderr)
        return OTHER


def _task(verb):
    told = json.loads(Path(os.environ["CROWBAR_ATTRIBUTES"]).read_text(encoding="utf-8"))
    device = told.get("device") or {}
    name, every = str(device.get("name") or ""), told.get("san-access") or {}
    if not model.NODE.fullmatch(name):
        raise model.SanError(f"{name!r} is no name of a SAN")
    access = {**(every.get("*") or {}), **(every.get(name) or {})}
    named = sorted(one for one in every if one != "*")
    wanted = model.wishes(((told.get("san") or {}).get("wanted")) or (), name, named[:1] == [name])
    san = San(name, access, device, _folder())
    with san.store.locked():
        if verb == "remove":
            return _remove(san, wanted, told.get("san-remove") or ())
        secrets = json.loads(told.get("san-accounts") or "{}")
        return _run(san, wanted, secrets, access) if verb == "run" else _verify(san, wanted, secrets)


def _run(san, wanted, secrets, access):
    luns = model.admitted(san.store.luns(), wanted)
    for wish in wanted:
        lun = luns[wish.id]
        if lun.made and not san.pool.has(lun):
            raise model.SanError(_gone(san, lun))
    san.store.keep(luns)
    for wish in wanted:
        lun = luns[wish.id]
        if not lun.made:
            san.pool.make(lun)
            luns[wish.id] = dataclasses.replace(lun, made=True)
            san.store.keep(luns)
            print(f"made {lun.id}: {lun.size} bytes, serial number {lun.serial}", flush=True)
    want = model.exports(san.name, luns, wanted, secrets, san.pool.path)
    steps = model.changes(_have(san, want), want, san.other_secret(want))
    known = san.store.exposed()
    san.store.keep_exposed(
        [*{name: one for name, one in known.items() if name in want}.values()]
    )  # what goes does not come back by a reboot
    for step in steps:
        _do(san, step)
        print(step.words(), flush=True)
    san.store.keep_exposed(want.values())
    left = model.changes(_have(san, want), want, ())
    if left:
        raise model.SanError(f"after the run there is still to do: {left[0].words()}")
    if not isinstance(san.driver, Rack):
        _install(san.store.folder, access, san.portal, san.name)
    return _give(san, luns, want)


def _verify(san, wanted, secrets):
    known = san.store.luns()
    luns = model.admitted(known, wanted)
    lacks = [one.id for one in luns.values() if one.id not in known or (not one.made and one.id in {w.id for w in wanted})]
    if lacks:
        return _not_so(f"{lacks[0]} is not made yet")
    gone = [luns[wish.id] for wish in wanted if not san.pool.has(luns[wish.id])]
    if gone:
        raise model.SanError(_gone(san, gone[0]))
    want = model.exports(san.name, luns, wanted, secrets, san.pool.path)
    left = model.changes(_have(san, want), want, san.other_secret(want))
    return _not_so(f"to do: {left[0].words()}") if left else _give(san, luns, want)


def _remove(san, wanted, doomed):
    luns = san.store.luns()
    exposed = {unit.serial for one in san.driver.have("iqn.").values() for unit in one.units.values()}
    for lun in model.removable(luns, wanted, doomed, exposed):
        san.pool.remove(lun)
        del luns[lun.id]
        san.store.keep(luns)
        print(f"removed {lun.id}, serial number {lun.serial}", flush=True)
    return _given({"san-removed": sorted({str(one.get("lun")) for one in doomed})})


def _have(san, want):
    """What is exposed of this SAN, under any domain that it had."""
    mine = f":{san.name}."
    return {name: one for name, one in san.driver.have(model.AUTHORITY).items() if mine in name or name in want}


def _do(san, step):
    if step.verb == "expose":
        san.driver.expose(step.export)
    elif step.verb == "unexpose":
        san.driver.unexpose(step.target)
    elif step.verb == "add":
        san.driver.add(step.target, step.number, step.export.units[step.number])
    else:
        san.driver.take(step.target, step.number)


def _give(san, luns, want):
    rows, wished = [], set()
    by_serial = {one.serial: one for one in luns.values()}
    for name, one in sorted(want.items()):
        for number, unit in sorted(one.units.items()):
            lun = by_serial[unit.serial]
            wished.add(lun.id)
            row = {"node": lun.node, "name": lun.name, "size": lun.size, "serial": lun.serial, "target": name}
            rows.append({**row, "number": number, "portal": san.portal, "initiator": one.initiator, "user": one.user})
    kept = [{"lun": one.id, "serial": one.serial, "size": one.size} for one in luns.values() if one.id not in wished]
    for one in kept:
        print(f"kept, and not exposed: {one['lun']}, serial number {one['serial']}")
    return _given({"san-luns": {"luns": rows, "kept": sorted(kept, key=lambda one: one["lun"])}})


def _given(gives):
    Path(os.environ["CROWBAR_GIVES"]).write_text(json.dumps(gives), encoding="utf-8")
    return 0


def _not_so(line):
    print(f"san: {line}", file=sys.stderr)
    return NOT_SO


def _gone(san, lun):
    return (
        f"the data of {lun.id} (serial number {lun.serial}) is not at {san.pool.path(lun)}: bring it back, "
        "or give the LUN up (san-remove); an empty one is never put in its place"
    )


# -- after a reboot --------------------------------------------------------------------------------------------------


def _folder():
    state = os.environ.get("CROWBAR_STATE")
    return Path(state) / "san" if state else Path(os.environ.get("CROWBAR_ROOT") or "/") / HOME


def _restore(folder):
    """Exposes what was exposed last. LUNs whose data is missing are left out, and said."""
    wrong = 0
    for file in sorted(folder.glob("*.boot.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        san = San(found["name"], found["access"], {"address": found["portal"].rpartition(":")[0]}, folder)
        with san.store.locked():
            want = san.store.exposed()
            for name, one in want.items():
                here = {number: unit for number, unit in one.units.items() if os.path.exists(unit.path)}
                wrong += len(one.units) - len(here)
                want[name] = dataclasses.replace(one, units=here)
            for step in model.changes(_have(san, want), want, ()):
                _do(san, step)
                print(step.words())
    if wrong:
        print(f"san: the data of {wrong} LUNs is missing", file=sys.stderr)
    return NOT_SO if wrong else 0


def _install(folder, access, portal, name):
    """The unit that restores after a reboot, where systemd starts the machine."""
    file = folder / f"{name}.boot.json"
    Store(folder, name)._write(file, {"name": name, "access": access, "portal": portal})
    root = Path(os.environ.get("CROWBAR_ROOT") or "/")
    if not (root / "run/systemd/system").is_dir():
        return
    there, here = root / "usr/lib/crowbar/san", Path(__file__).resolve().parent
    unit, text = root / "etc/systemd/system/crowbar-san.service", UNIT.format(folder=folder)
    mine = {one.name: one.read_bytes() for one in here.glob("san*.py")}
    digest = hashlib.sha256(repr(sorted(mine.items())).encode() + text.encode()).hexdigest()
    mark = there / ".digest"
    if mark.exists() and mark.read_text(encoding="ascii") == digest and unit.exists():
        return
    there.mkdir(parents=True, exist_ok=True)
    for one, data in mine.items():
        (there / one).write_bytes(data)
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text(text, encoding="utf-8")
    for words in (["systemctl", "daemon-reload"], ["systemctl", "enable", "crowbar-san.service"]):
        if shutil.which("systemctl") is None or subprocess.run(words, capture_output=True, timeout=60, check=False).returncode != 0:
            raise model.SanError(f"{' '.join(words)} failed: the LUNs would not come back after a reboot")
    mark.write_text(digest, encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
