"""`crowbar barclamp`: what it prints, what it refuses, and what a running engine says about it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from cli_store import Run, objects

from crowbar_tui.cli import main
from crowbar_tui.console.lifecycle import attached
from crowbar_tui.console.manner import Manner
from crowbar_tui.console.supervisor import Away
from engine.api.barclamps import versions
from engine.runtime.engine import Engine

sys.path.insert(0, str(Path(__file__).parents[1] / "catalog"))

from clamp_rig import barclamp, folder


@pytest.fixture()
def web(tmp_path: Path) -> Path:
    return folder(tmp_path / "mine", barclamp())


def test_list_shows_versions_origins_and_stages(crowbar: Run, web: Path) -> None:
    code, out, _ = crowbar("barclamp", "list")
    assert code == 0
    assert "ntp          2          shipped" in out.splitlines()
    assert out.endswith("\nstages: discovery, hardware, install, system (shipped)\n")
    assert crowbar("barclamp", "import", str(web))[:2] == (0, f"imported web 1: folder {web}\n")
    newer = folder(web.parent.parent / "newer", barclamp(version="2"))
    assert crowbar("barclamp", "import", str(newer))[0] == 0
    lines = crowbar("barclamp", "list")[1].splitlines()
    assert f"web          2          folder {newer}" in lines
    assert f"             1          folder {web} (does not count: a higher version is there)" in lines
    (row,) = [one for one in objects(crowbar("barclamp", "list", "--json")[1]) if one["role"] == "web-role"]
    assert (row["version"], row["origin"], len(row["sha256"])) == ("2", f"folder {newer}", 64)


def test_the_same_again_and_an_older_one(crowbar: Run, web: Path) -> None:
    newer = folder(web.parent.parent / "newer", barclamp(version="2"))
    crowbar("barclamp", "import", str(newer))
    assert crowbar("barclamp", "import", str(newer))[:2] == (0, f"web 2 was imported before: folder {newer}\n")
    code, out, _ = crowbar("barclamp", "import", str(web))
    assert (code, out.splitlines()[-1]) == (0, "web 1 does not count, because a higher version is there: crowbar barclamp list")
    assert crowbar("barclamp", "remove", "web", "--version", "2")[1] == "removed web 2\n"
    assert crowbar("barclamp", "remove", "web")[1] == "removed web 1\n"
    assert crowbar("barclamp", "remove", "web")[::2] == (2, "crowbar: no barclamp web was imported; imported: none\n")


def test_what_is_handed_over_is_one_thing(crowbar: Run, web: Path) -> None:
    either = "crowbar: hand over either a folder of barclamps, the folder of one, or a .tar or .tgz of either, or --from-git DIR REV\n"
    assert crowbar("barclamp", "import")[::2] == (2, either)
    assert crowbar("barclamp", "check", str(web), "--from-git", str(web), "main")[::2] == (2, either)
    missing = web / "none"
    assert crowbar("barclamp", "check", str(missing))[::2] == (
        2,
        f"crowbar: cannot read {missing}: No such file or directory; name a folder of barclamps or an archive\n",
    )


def test_new_names(crowbar: Run, tmp_path: Path) -> None:
    for name, said in (
        ("Web", "'Web' cannot be the name of a barclamp: use at most 40 of a-z, 0-9 and -, and begin with a letter"),
        ("network-x", "'network-x' cannot be the name of a barclamp: use at most 40 of a-z, 0-9 and -, and begin with a letter"),
        ("../x", "'../x' cannot be the name of a barclamp: use at most 40 of a-z, 0-9 and -, and begin with a letter"),
        ("ntp", "barclamp ntp is shipped with the program: use another name"),
    ):
        assert crowbar("barclamp", "new", name, "--folder", str(tmp_path / "new"))[::2] == (2, f"crowbar: {said}\n")
    assert not (tmp_path / "new").exists()


def test_a_new_barclamp_is_commented_and_has_its_own_name(crowbar: Run, tmp_path: Path) -> None:
    for name in ("web-cache", "x"):
        assert crowbar("barclamp", "new", name, "--folder", str(tmp_path / "new"))[0] == 0
        assert not [path for path in (tmp_path / "new" / name).rglob("*") if path.is_file() and "example" in path.read_text()]
        text = (tmp_path / "new" / name / "barclamp.yml").read_text()
        assert f"# Barclamp {name}: this file says what it is" in text
        assert len([line for line in text.splitlines() if "#" in line]) > 20
    assert crowbar("barclamp", "import", str(tmp_path / "new"))[0] == 0, "two of them do not meet"
    assert [path.name for path in (tmp_path / "new").iterdir() if path.name.startswith(".")] == []


def test_a_running_engine_says_what_counts_from_its_next_start(crowbar: Run, engine: Engine, web: Path) -> None:
    later = "the running engine keeps its barclamps until its next start: crowbar engine stop, then crowbar engine"
    assert "next start" not in crowbar("status")[1]
    assert crowbar("barclamp", "import", str(web))[1].splitlines() == [f"imported web 1: folder {web}", later]
    assert "  from the engine's next start: barclamp web none -> 1\n" in crowbar("status")[1]
    (status,) = objects(crowbar("status", "--json")[1])
    assert status["next_start"] == ["from the engine's next start: barclamp web none -> 1"]
    assert "web" not in versions(engine.world.base)
    stages = Path(engine.config.store) / "stages.yml"
    shutil.copy(Path(__file__).parents[2] / "engine" / "stages.yml", stages)
    assert "next start: stages" not in crowbar("status")[1]
    stages.write_text(
        stages.read_text().replace(
            "  - {name: install", "  - {name: burn, doing: testing, done: tested, runs: sledgehammer}\n  - {name: install"
        )
    )
    assert "  from the engine's next start: stages discovery, hardware, burn, install, system\n" in crowbar("status")[1]
    assert crowbar("barclamp", "remove", "web")[1].splitlines() == ["removed web 1", later]


def test_a_console_says_what_is_wrong_with_the_sites_barclamps(
    engine: Engine, store: Path, web: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It attaches to a running engine, and reads the barclamps of the site from the disk."""
    (store / "stages.yml").write_text("stages: []\n")
    assert attached(store, Away(1), Manner()) == 2
    assert f"crowbar: {store}/stages.yml:1: expected at least one stage\n" in capsys.readouterr().err


def test_an_engine_starts_with_the_barclamps_of_its_site(store: Path, web: Path) -> None:
    assert main(["--store", str(store), "barclamp", "import", str(web)]) == 0
    from engine.files.paths import keys_beside
    from engine.runtime.config import Config

    assert "web-role" in Engine(Config(store=store, keys=keys_beside(store))).catalog.roles
