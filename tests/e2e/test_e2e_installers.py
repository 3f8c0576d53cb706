"""A rack whose machines are installed by their distributions' own installers, each by another method, and one of them loses its power at it.

Answers, orders, progress and reports really go over HTTP; only the installers are simulated.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from crowbar_process import crowbar, here, saved_machines

METHODS = {
    10: ("preseed", "debian-12", "debian-12-installer"),
    11: ("autoinstall", "ubuntu-24.04", "ubuntu-24.04-installer"),
    12: ("kickstart", "rocky-9", "rocky-9-installer"),
    14: ("kickstart", "fedora-43", "fedora-43-installer"),
    15: ("kickstart", "alma-9", "alma-9-installer"),
}
SCENARIO = """\
scenario: 1
then:
  - {when: {machine: m1, reaches: os-install, percent: 50}, do: {power: off}}
  - {when: {machine: m1, reaches: os-install, percent: 50}, after: 1s, do: {power: on}}
"""


def plan(folder: Path) -> Path:
    """The default plan of six nodes with a method for each place but the last, which gets an image."""
    text = (files("crowbar_tui") / "plans" / "six-nodes.yml").read_text(encoding="utf-8")
    rules = "".join(
        f"  - {{match: {{place: {{min: {place}, max: {place}}}}}, attributes: {{install-method: {method}, target-os: {system}}}}}\n"
        for place, (method, system, _) in METHODS.items()
    )
    file = folder / "plan.yml"
    file.write_text(text.replace("rules:\n", "rules:\n" + rules, 1), encoding="utf-8")
    return file


def test_each_machine_is_installed_by_its_own_method(store: Path) -> None:
    scenario = store.parent / "scenario.yml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    run = crowbar(
        store,
        "rehearse",
        "--nodes",
        "6",
        "--network",
        "loopback",
        "--headless",
        "--json",
        "--speed",
        "max",
        "--plan",
        str(plan(store.parent)),
        "--scenario",
        str(scenario),
        CROWBAR_BMC_PASSWORD="rehearsal",
    )
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["waiting"]) == (6, {})
    rows = {int(row["place"].split(":")[1]): row for row in here(store, "nodes", "--json").lines}
    assert {place: row["runs"] for place, row in rows.items()} == {place: METHODS.get(place, ("", "debian-12", ""))[1] for place in rows}
    events = here(store, "events").out
    for place, (_, _, installer) in METHODS.items():
        name = str(rows[place]["name"]).split(".")[0]
        seen = [line for line in events.splitlines() if f" {name} " in line]
        story = "\n".join(seen)
        # in this order: booted over the network, answers fetched, hello, confirmed, at work; and out of it by its own reboot
        opened = story.find(f"booting {installer}: opened")
        at = [opened, story.find("os-install transition", story.find(f"/ {installer}", opened + 1))]
        assert -1 < at[0] < at[1], story
        assert "os-install active; system / booting" in story[at[1] :], story
    # A simulated installer gives up unless the answers that it fetched are those of its machine, so they came.
    installed = [
        system
        for machine in saved_machines(store)
        for disk in [*machine["disks"].values(), *(volume["disk"] for volume in machine["volumes"])]
        if (system := disk.get("system"))
    ]
    assert sorted(system["os"] for system in installed) == ["alma-9", "debian-12", "debian-12", "fedora-43", "rocky-9", "ubuntu-24.04"]
    assert all(system["credential"] and system["address"] for system in installed)
