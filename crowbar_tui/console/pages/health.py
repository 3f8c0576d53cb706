"""8: the engine's own figures: its speed, its queues, refusals with reasons, and other DHCP servers."""

from __future__ import annotations

from typing import Any

from ... import package_lines
from ..formats import age, ago, clock, since
from ..page import Scroll
from ..screen import Hint
from ..styled import Line, clip, fit, line, wrap
from ..trust import NETWORK_TRUST
from .monitor_lines import monitor_lines

_STATE = {
    "embedded": ("works, in this process", "good"),
    "attached": ("works, in another process", "good"),
    "alone": ("not running", "bad"),
    "failed": ("stopped by itself", "bad"),
    "past": ("a look back: the journal has no rates, queues and counters", "ask"),
}
_FOREIGN = ("other_server",)


class HealthScreen(Scroll):
    name = "health"

    def text(self, columns: int) -> list[Line]:
        session = self.session
        health = session.snapshot.health
        word, style = _STATE[session.snapshot.connection]
        out: list[Line] = []
        _pair(out, "engine", line((word, style), (f"   pid {health['pid']}" if "pid" in health else "", "dim")))
        if session.snapshot.trouble:
            for text in wrap(session.snapshot.trouble, columns - 20):
                _pair(out, "", line((text, "bad")))
        _pair(out, "store", line(clip(str(session.snapshot_where), columns - 20), (f"   journal at {session.snapshot.seq}", "dim")))
        if session.world.plan is not None and session.world.plan.site.trust == "network":
            for i, text in enumerate(wrap(NETWORK_TRUST, columns - 20)):
                _pair(out, "" if i else "trust", line((text, "ask")))
        if not health:
            if session.past is None:
                out += [line(), line("  ", ("only a running engine has figures", "dim"))]
            return out
        waiting: dict[str, int] = health.get("waiting") or {}
        turned: dict[str, int] = health.get("turned_away") or {}
        batches = f"   {health.get('events', 0)} events in {health.get('batches', 0)} batches"
        _pair(out, "engine time", line(age(health.get("now", 0.0)), (batches, "dim")))
        slow = float(health.get("slowest_s", 0.0)) * 1000
        style = "ask" if slow > 20 else ""
        _pair(out, "slowest step", line((f"{slow:.1f} ms", style), (f"   {health.get('slowest', '')}", "dim")))
        queue = "   ".join(f"{lane} {many}" for lane, many in waiting.items()) or "none"
        wakes = f"   {health.get('wakes', 0)} wakes ahead"
        _pair(out, "waiting", line((queue, "ask" if sum(waiting.values()) > 500 else ""), (wakes, "dim")))
        lost = {lane: many for lane, many in turned.items() if many}
        told = "   ".join(f"{lane} {many}" for lane, many in lost.items()) or "none"
        _pair(out, "turned away", line((told, "ask" if lost else "")))
        letters = health.get("letters") or []
        _pair(out, "defects", line((str(len(letters)) if letters else "none", "bad" if letters else "")))
        for letter in letters[-3:]:
            for text in wrap(f"{clock(letter['at'])} {letter['what']}: {letter['error']}", columns - 20):
                _pair(out, "", line((text, "bad")))
        if "attached" in health:
            _pair(out, "consoles", line(f"{health['attached']} connections"))
        out += self._process(health, columns)
        out += self._foreign(health, columns)
        out += self._packages(health, columns)
        out += self._floods(health, columns)
        out += monitor_lines(health, session.wall(), columns)
        out += self._figures(health, columns)
        out += self._drops(health, columns)
        out += self._refusals(health, columns)
        return out

    def _drops(self, health: dict[str, Any], columns: int) -> list[Line]:
        """Dropped packets and ignored fields, by cause, each with its last example."""
        drops: list[dict[str, Any]] = health.get("drops") or []
        if not drops:
            return []
        out: list[Line] = [line(), line((f" {'packets dropped, or read in part':<{columns - 19}}{'times':>8}{'last':>8}", "head"))]
        wall = self.session.wall()
        for d in drops:
            how = "read in part" if d["answered"] else "dropped"
            text = f"{d['protocol'].upper()} {how}: {d['fault']}"
            out += _row(text, "dim" if d["answered"] else "ask", d["count"], wall - d["at"], columns)
            out.append(line(("   the last of ", "dim"), (d["who"], "name"), (f", option {d['option']}" if d["option"] else "", "dim")))
        return out

    def _process(self, health: dict[str, Any], columns: int) -> list[Line]:
        """The interface that is served, and what the engine's process may do."""
        out: list[Line] = []
        interface, process = health.get("interface") or {}, health.get("process") or {}
        if interface.get("code"):
            when = since(self.session.wall(), interface["since"]) or "the start"
            for text in wrap(f"{interface['sentence']} (since {when}); {interface['advice']}", columns - 20):
                _pair(out, "" if out else "interface", line((text, "bad")))
        elif interface:
            _pair(out, "interface", line(clip(interface["name"] or interface["address"], columns - 20)))
        out += _api(health.get("api") or {}, columns)
        if process.get("why_root"):
            for i, text in enumerate(wrap(f"root: {process['why_root']}", columns - 20)):
                _pair(out, "" if i else "runs as", line((text, "ask")))
        elif process:
            _pair(out, "runs as", line(clip(process["user"], columns - 20), ("   " + " ".join(process["capabilities"]), "dim")))
        return out

    def _foreign(self, health: dict[str, Any], columns: int) -> list[Line]:
        out: list[Line] = []
        found = [r for code, r in (health.get("refusals") or {}).items() if code in _FOREIGN]
        if not found:
            _pair(out, "foreign dhcp", line("none heard"))
        for r in found:
            when = ago(self.session.wall(), r["at"])
            for i, text in enumerate(wrap(f"{r['sentence']} ({r['count']} times, {when})", columns - 20)):
                _pair(out, "" if i else "foreign dhcp", line((text, "bad")))
        return out

    def _packages(self, health: dict[str, Any], columns: int) -> list[Line]:
        """The package cache, and what it could not give."""
        cache: dict[str, Any] = health.get("package_cache") or {}
        out: list[Line] = []
        if not cache:
            return out
        for i, text in enumerate(wrap(package_lines.figures(cache), columns - 20)):
            _pair(out, "" if i else "packages", line(text))
        for told in package_lines.troubles(cache, self.session.wall()):
            for text in wrap(told, columns - 20):
                _pair(out, "", line((text, "bad")))
        return out

    def _floods(self, health: dict[str, Any], columns: int) -> list[Line]:
        """Who sends too much, with its switch port, and what the journal has no room for."""
        out: list[Line] = []
        floods: list[dict[str, Any]] = health.get("floods") or []
        for one in floods[:4]:
            when = ago(self.session.wall(), one["at"])
            for text in wrap(f"{one['sentence']} ({when}); {one['advice']}", columns - 20):
                _pair(out, "" if out else "floods", line((text, "bad")))
        if health.get("hushed"):
            words = f"{health['hushed']} events of machines that are no nodes have no row in the journal: they were too many"
            for i, text in enumerate(wrap(words, columns - 20)):
                _pair(out, "" if i else "journal", line((text, "ask")))
        return out

    def _figures(self, health: dict[str, Any], columns: int) -> list[Line]:
        counters: dict[str, int] = health.get("counters") or {}
        rates: dict[str, float] = health.get("rates") or {}
        names = [n for n in sorted(counters) if not n.startswith("ignored.")]
        if not names:
            return []
        out: list[Line] = [line(), line((f" {'counter':<26}{'count':>10}{'per s':>9}", "head"))]
        two = columns >= 100
        cells = []
        for n in names:
            rate = rates.get(n, 0.0)
            cells.append(line(f" {clip(n, 25):<26}", f"{counters[n]:>10}", (f"{rate:>9.1f}", "" if rate else "dim")))
        if two:
            half = (len(cells) + 1) // 2
            cells = [(*fit(cells[i], 52), *(cells[i + half] if i + half < len(cells) else ())) for i in range(half)]
        return [*out, *cells]

    def _refusals(self, health: dict[str, Any], columns: int) -> list[Line]:
        refusals: dict[str, dict[str, Any]] = health.get("refusals") or {}
        if not refusals:
            return []
        out: list[Line] = [line(), line((f" {'refused or left alone':<{columns - 19}}{'times':>8}{'last':>8}", "head"))]
        wall = self.session.wall()
        for _, r in sorted(refusals.items(), key=lambda kv: -kv[1]["at"]):
            out += _row(r["sentence"], "", r["count"], wall - r["at"], columns)
        return out

    def hints(self) -> list[Hint]:
        return []


def _api(shown: dict[str, Any], columns: int) -> list[Line]:
    """Where the HTTP API listens, or why it does not, and what it refused."""
    out: list[Line] = []
    why = shown.get("why") or {}
    if shown.get("url"):
        counters: dict[str, int] = shown.get("counters") or {}
        refused = sum(many for name, many in counters.items() if name.startswith("refused_"))
        both = "   needs a token and a certificate" if shown.get("both") else ""
        told = (f"   {refused} refused" if refused else "", "ask")
        _pair(out, "HTTP API", line(clip(shown["url"], columns - 20), told, (both, "dim")))
    elif why.get("code") == "api_off":
        _pair(out, "HTTP API", line(("off", "dim")))
    elif why:
        for i, text in enumerate(wrap(f"{why['sentence']}; {why['advice']}", columns - 20)):
            _pair(out, "" if i else "HTTP API", line((text, "ask")))
    return out


def _row(text: str, style: str, count: int, seconds: float, columns: int) -> list[Line]:
    """A sentence on as many lines as it needs; how often, and the seconds since the last time, on the first one."""
    first, *rest = wrap(text, columns - 20) or [""]
    figures = (f"{count:>8}", (f"{age(seconds):>8}", "dim"))
    return [line((f" {first:<{columns - 19}}", style), *figures), *(line((f" {more}", style)) for more in rest)]


def _pair(out: list[Line], label: str, value: Line) -> None:
    out.append((((f" {label:<15} ", "dim")), *value))
