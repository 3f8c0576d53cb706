"""`crowbar hardware`: reports of tools as records, for people and as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from crowbar_tui.cli import main
from crowbar_tui.part_tables import size

EXAMPLES = Path(__file__).parents[1] / "readers" / "examples"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["hardware", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(EXAMPLES / "smartctl-sas.txt")
    code, out, _ = run(capsys, "read", "--json", file)
    (one,) = [json.loads(line) for line in out.splitlines()]
    assert (code, one["file"], one["format"]) == (0, file, "smartctl")
    assert one["parts"]["drives"][0]["health"] == "failed"


def test_reports_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "read", str(EXAMPLES / "dmidecode-crlf.txt"), str(EXAMPLES / "lldpcli-json0.json"))
    assert code == 0
    assert "dimms (3)" in out
    assert "16 GiB" in out
    assert "DDR4" in out
    assert "heard (2)" in out
    assert "swp7" in out
    assert "ranks" in out
    assert "media_errors" not in out, "columns that no part fills are left out"


def test_one_refused_of_several(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.write_text("good \x1b[31mmorning\n", encoding="utf-8")
    code, out, _ = run(capsys, "read", str(EXAMPLES / "hdparm.txt"), str(strange), str(tmp_path / "absent"), str(tmp_path))
    assert code == 1
    assert "strange: refused: no format of the table fits" in out
    assert "absent: refused: the file cannot be read: No such file" in out
    assert f"{tmp_path}: refused: the file cannot be read: Is a directory" in out
    assert "ZC11ABCD" in out
    assert "\x1b" not in out
    code, out, _ = run(capsys, "read", "--json", str(strange))
    assert code == 1
    assert set(json.loads(out)) == {"file", "refused"}


def test_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO((EXAMPLES / "nvme-list.txt").read_bytes())))
    code, out, _ = run(capsys, "read", "--json", "-")
    assert code == 0
    assert [one["serial"] for one in json.loads(out)["parts"]["drives"]] == ["S64GNE0R000001", "PHLJ000002"]


def test_several_reports_of_one_machine(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(EXAMPLES / name) for name in ("dmidecode-crlf.txt", "lscpu-json.txt", "ipmitool-fru.txt")]
    code, out, _ = run(capsys, "read", "--join", "--json", *files)
    one = json.loads(out)
    assert (code, one["format"]) == (0, "joined")
    assert one["parts"]["system"]["model"] == "Server: 9000"
    assert any("serial" in line for line in one["parts"]["odd"])
    code, out, _ = run(capsys, "read", "--join", *files)
    assert code == 0
    assert "odd: system" in out


def test_formats(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "formats")
    assert code == 0
    assert any(line.split()[0] == "dmidecode" for line in out.splitlines())
    code, out, _ = run(capsys, "formats", "--json")
    names = [json.loads(line)["format"] for line in out.splitlines()]
    assert len(names) == len(set(names)) > 30
    code, out, err = run(capsys, "read", "--format", "nothing", str(EXAMPLES / "hdparm.txt"))
    assert (code, out) == (2, "")
    assert "no format nothing" in err


def test_a_given_format_is_not_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "read", "--format", "lspci", str(EXAMPLES / "hdparm.txt"))
    assert code == 1
    assert "lspci listed no device" in out


@pytest.mark.parametrize(
    ("octets", "binary", "text"),
    [
        (0, True, "0 B"),
        (2**34, True, "16 GiB"),
        (4_000_787_030_016, False, "4 TB"),
        (480_103_981_056, False, "480.1 GB"),
        (1536, True, "1.5 KiB"),
    ],
)
def test_sizes(octets: int, binary: bool, text: str) -> None:
    assert size(octets, binary) == text
