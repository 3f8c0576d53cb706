"""The role dns-server with the real named: what it repairs, and what it calls changed by hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dns_site import DOMAIN, Site, host, wait

CHANGED_BY_HAND = 65


def test_a_killed_named_comes_back_with_its_records(site: Site) -> None:
    site.good("dns-server")
    site.good("dns-records", dns={"hosts": [host("web", "10.0.0.81")]})
    os.kill(site.pid, signal.SIGKILL)
    dead = Path(f"/proc/{site.pid}/stat")
    wait(lambda: not dead.exists() or " Z " in dead.read_text(), "named lives")
    looked = site.role("dns-server", "verify")
    assert looked.returncode == 1
    assert "does not run" in looked.stderr
    site.good("dns-server")
    assert site.ask(f"web.{DOMAIN}") == ["10.0.0.81"]
    site.good("dns-records", "verify")


def test_a_changed_configuration_is_a_finding_that_one_run_puts_right(site: Site) -> None:
    site.good("dns-server")
    file = site.state / "dns/named.conf"
    right = file.read_text()
    file.write_text(right + "// mine\n")
    looked = site.role("dns-server", "verify")
    assert (looked.returncode, str(file) in looked.stdout) == (CHANGED_BY_HAND, True)
    site.good("dns-server")
    assert file.read_text() == right
    site.good("dns-server", "verify")


def test_a_changed_zone_file_is_a_finding_that_one_run_puts_right(site: Site) -> None:
    site.good("dns-server")
    site.good("dns-records", dns={"hosts": [host("web", "10.0.0.81")]})
    file = site.state / f"dns/zones/{DOMAIN}.db"
    with file.open("a") as more:
        more.write(f"mine.{DOMAIN}. 60 IN A 10.0.0.66\n")
    looked = site.role("dns-server", "verify")
    assert (looked.returncode, str(file) in looked.stdout) == (CHANGED_BY_HAND, True)
    site.good("dns-server")
    assert "mine" not in file.read_text()
    site.good("dns-server", "verify")
    site.good("dns-records", "verify")
    assert site.ask(f"web.{DOMAIN}") == ["10.0.0.81"]


def test_what_named_writes_itself_is_no_finding(site: Site) -> None:
    """named writes its journal back into the zone file some minutes after an update; here the same bytes come from its own tool."""
    site.good("dns-server")
    site.good("dns-records", dns={"hosts": [host("web", "10.0.0.81")]})
    file = site.state / f"dns/zones/{DOMAIN}.db"
    assert f"web.{DOMAIN}" not in file.read_text()
    made = site.inside(["named-compilezone", "-j", "-q", "-F", "text", "-o", f"{file}.new", DOMAIN, str(file)])
    assert made.returncode == 0, made.stderr
    Path(f"{file}.new").replace(file)
    assert f"web.{DOMAIN}" in file.read_text()
    site.good("dns-server", "verify")


def test_a_zone_that_cannot_be_loaded_is_made_anew(site: Site) -> None:
    site.good("dns-server")
    site.good("dns-records", dns={"hosts": [host("web", "10.0.0.81")]})
    os.kill(site.pid, signal.SIGKILL)
    (site.state / f"dns/zones/{DOMAIN}.db").write_text("no zone\n")
    site.good("dns-server")
    assert site.role("dns-records", "verify").returncode == 1
    site.good("dns-records")
    assert site.ask(f"web.{DOMAIN}") == ["10.0.0.81"]
