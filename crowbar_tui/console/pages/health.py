"""8: the engine's own figures: its speed, its queues, refusals with reasons, and other DHCP servers."""

from __future__ import annotations

from typing import Any

from engine.api.views import health_words

from ... import package_lines
from .. import glyphs as g
from ..formats import age, ago, clock, count, since
from ..page import Scroll
from ..panes import WIDE
from ..screen import Hint
from ..styled import Line, columns_of, line, shorten, wrap
from ..trust import NETWORK_TRUST
from .monitor_lines import monitor_lines

words = health_words

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
        health = self.session.snapshot.health
        if not health:
            nothing = [line(), line("  ", ("only a running engine has figures", "dim"))]
            return [*self._head(columns), *(nothing if self.session.past is None else [])]
        if columns < WIDE:
            return [*self._engine(health, columns), *self._traffic(health, columns)]
        left = columns // 2
        traffic = self._traffic(health, columns - left - 3)
        return columns_of(self._engine(health, left), traffic[1:], columns, left, ((f" {g.SIDE} ", "dim"),))

    def _head(self, columns: int) -> list[Line]:
        """Whether an engine runs, on which store, and whom its network trusts."""
        session = self.session
        word, style = _STATE[session.snapshot.connection]
        out: list[Line] = []
        pid = session.snapshot.health.get("pid")
        _pair(out, "engine", line((word, style), (f"   pid {pid}" if pid else "", "dim")))
        _say(out, "", session.snapshot.trouble, columns, "bad")
        _say(out, "store", f"{session.snapshot_where}, journal at {session.snapshot.seq}", columns)
        if session.world.plan is not None and session.world.plan.site.trust == "network":
            _say(out, "trust", NETWORK_TRUST, columns, "ask")
        return out

    def _engine(self, health: dict[str, Any], columns: int) -> list[Line]:
        """Is the engine well, and what does it serve."""
        out = self._head(columns)
        _say(out, "running", f"{age(health.get('now', 0.0))}, {count(health.get('events', 0), 'event')} since the start", columns)
        told, good = words.speed(float(health.get("slowest_s", 0.0)), str(health.get("slowest", "")))
        _say(out, "speed", told, columns, "" if good else "ask")
        told, good = words.queue(health.get("waiting") or {})
        _say(out, "queue", told, columns, "" if good else "ask")
        told, good = words.turned_away(health.get("turned_away") or {})
        _say(out, "turned away", told, columns, "" if good else "ask")
        letters = health.get("letters") or []
        told = f"{count(len(letters), 'message')} could not be processed: report this with engine.log" if letters else "none"
        _say(out, "defects", told, columns, "bad" if letters else "")
        for letter in letters[-3:]:
            _say(out, "", f"{clock(letter['at'])} {words.EVENTS.get(letter['what'], letter['what'])}: {letter['error']}", columns, "bad")
        for i, one in enumerate(self.session.company):
            where = f" at {one.where}" if one.where else ""
            since_ = (f"   since {clock(one.since)}", "dim")
            _pair(out, "" if i else "other consoles", line(shorten(f"{one.who}{where}", columns - 40), since_))
        out += self._process(health, columns)
        out += self._foreign(health, columns)
        out += self._packages(health, columns)
        out += self._floods(health, columns)
        out += monitor_lines(health, self.session.wall(), columns)
        return out

    def _traffic(self, health: dict[str, Any], columns: int) -> list[Line]:
        """What was refused or dropped, then the counters."""
        return [*self._refusals(health, columns), *self._drops(health, columns), *self._figures(health, columns)]

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
            _say(out, "interface", f"{interface['sentence']} (since {when}); {interface['advice']}", columns, "bad")
        elif interface:
            _say(out, "interface", interface["name"] or interface["address"], columns)
        out += _api(health.get("api") or {}, columns)
        if process.get("why_root"):
            _say(out, "runs as", f"root: {process['why_root']}", columns, "ask")
        elif process:
            rights = ", ".join(process["capabilities"])
            _say(out, "runs as", f"{process['user']}" + (f", with the rights {rights}" if rights else ""), columns)
        return out

    def _foreign(self, health: dict[str, Any], columns: int) -> list[Line]:
        out: list[Line] = []
        found = [r for code, r in (health.get("refusals") or {}).items() if code in _FOREIGN]
        if not found:
            _pair(out, "foreign dhcp", line("none heard"))
        for r in found:
            when = ago(self.session.wall(), r["at"])
            _say(out, "foreign dhcp", f"{r['sentence']} ({r['count']} times, {when})", columns, "bad")
        return out

    def _packages(self, health: dict[str, Any], columns: int) -> list[Line]:
        """The package cache, and what it could not give."""
        cache: dict[str, Any] = health.get("package_cache") or {}
        out: list[Line] = []
        if not cache:
            return out
        _say(out, "packages", package_lines.figures(cache), columns)
        for told in package_lines.troubles(cache, self.session.wall()):
            _say(out, "", told, columns, "bad")
        return out

    def _floods(self, health: dict[str, Any], columns: int) -> list[Line]:
        """Who sends too much, with its switch port, and what the journal has no room for."""
        out: list[Line] = []
        floods: list[dict[str, Any]] = health.get("floods") or []
        for one in floods[:4]:
            when = ago(self.session.wall(), one["at"])
            _say(out, "" if out else "floods", f"{one['sentence']} ({when}); {one['advice']}", columns, "bad")
        if health.get("hushed"):
            told = f"{health['hushed']} events of machines that are no nodes have no row in the journal: they were too many"
            _say(out, "journal", told, columns, "ask")
        return out

    def _figures(self, health: dict[str, Any], columns: int) -> list[Line]:
        counters: dict[str, int] = health.get("counters") or {}
        rates: dict[str, float] = health.get("rates") or {}
        names = [n for n in sorted(counters) if not n.startswith("ignored.")]
        if not names:
            return []
        wide = max(len(words.counter(n)) for n in names) + 2
        out: list[Line] = [line(), line((f" {'counter':<{wide}}{'count':>10}{'per s':>9}", "head"))]
        cells = []
        for n in names:
            rate = rates.get(n, 0.0)
            cells.append(line(f" {words.counter(n):<{wide}}", f"{counters[n]:>10}", (f"{rate:>9.1f}", "" if rate else "dim")))
        if columns >= 2 * (wide + 26):
            half = (len(cells) + 1) // 2
            cells = columns_of(cells[:half], cells[half:], columns, wide + 26)
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
        both = ", needs a token and a certificate" if shown.get("both") else ""
        told = f", {refused} refused" if refused else ""
        _say(out, "HTTP API", f"{shown['url']}{told}{both}", columns, "ask" if refused else "")
    elif why.get("code") == "api_off":
        _pair(out, "HTTP API", line(("off", "dim")))
    elif why:
        _say(out, "HTTP API", f"{why['sentence']}; {why['advice']}", columns, "ask")
    return out


def _row(text: str, style: str, count: int, seconds: float, columns: int) -> list[Line]:
    """A sentence on as many lines as it needs; how often, and the seconds since the last time, on the first one."""
    first, *rest = wrap(text, columns - 20) or [""]
    figures = (f"{count:>8}", (f"{age(seconds):>8}", "dim"))
    return [line((f" {first:<{columns - 19}}", style), *figures), *(line((f" {more}", style)) for more in rest)]


def _pair(out: list[Line], label: str, value: Line) -> None:
    out.append((((f" {label:<15} ", "dim")), *value))


def _say(out: list[Line], label: str, text: str, columns: int, style: str = "") -> None:
    """A label and a text on as many lines as it needs. An empty text has none."""
    for i, part in enumerate(wrap(text, columns - 20) if text else ()):
        _pair(out, "" if i else label, line((part, style)))
