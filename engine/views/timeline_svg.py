"""The timeline as an SVG file: one line per machine, for a report or a browser. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from .timeline import DONE, FAILURE, ORDER, PROBLEM, REBOOT, MachineLife, Mark, Segment
from .timeline_cells import Span, ticks

WIDTH, LEFT, RIGHT, ROW, TOP = 1200, 170, 20, 20, 54
STAGES = {"discovery": "#c8a24a", "hardware": "#8a6fb8", "install": "#4a8fc8", "system": "#4f9d69"}
OTHER = "#7f8c99"
READY, BROKEN, TEXT, FAINT = "#dfe5ea", "#d1432f", "#22303c", "#8a97a3"
_FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"'
_SHAPES = {FAILURE: ("#d1432f", "M0,-7 L5,2 L-5,2 Z"), REBOOT: ("#22303c", "M0,-6 L4,1 L-4,1 Z"), ORDER: ("#1c5fa8", "M0,6 L5,-3 L-5,-3 Z")}
_OPACITY = {"boot": 0.45, "waits": 0.3, "stopped": 0.3}


def svg(
    title: str, lives: Sequence[MachineLife], commits: Sequence[Mark], begins: float, now: float, wall: Callable[[float], float]
) -> str:
    """The whole file. `lives` as of `now`; `begins` and `now` in engine seconds; `wall` turns them into clock time."""
    wide = WIDTH - LEFT - RIGHT
    high = TOP + ROW * len(lives) + 44
    span = Span(begins, max(now, begins + 1.0), wide)

    def x(at: float) -> float:
        return round(LEFT + (at - begins) / (span.ends - begins) * wide, 2)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" height="{high}" role="img">',
        f"<title>{escape(title, quote=False)}</title>",
        f'<rect width="{WIDTH}" height="{high}" fill="#ffffff"/>',
        f'<text x="12" y="24" {_FONT} font-size="15" fill="{TEXT}">{escape(title, quote=False)}</text>',
    ]
    for cell, label in _ticks(span, wall):
        at = LEFT + cell
        out.append(f'<line x1="{at}" y1="{TOP - 6}" x2="{at}" y2="{high - 38}" stroke="#e6ebef"/>')
        out.append(f'<text x="{at + 3}" y="{TOP - 9}" {_FONT} font-size="11" fill="{FAINT}">{label}</text>')
    for mark in commits:
        if begins <= mark.at <= now:
            out.append(_mark(x(mark.at), TOP - 3, mark))
    for i, life in enumerate(lives):
        y = TOP + ROW * i
        out.append(f'<text x="12" y="{y + 14}" {_FONT} font-size="12" fill="{TEXT}">{escape(_short(life.name), quote=False)}</text>')
        out += [_segment(x(max(one.begins, begins)), x(min(one.ends, now)), y, one) for one in life.segments if one.ends > begins]
        out += [_mark(x(mark.at), y + 10, mark) for mark in life.marks if begins <= mark.at <= now]
    out += _legend(high - 14)
    return "\n".join([*out, "</svg>", ""])


def _ticks(span: Span, wall: Callable[[float], float]) -> list[tuple[int, str]]:
    """Ticks at least 90 pixels apart."""
    return [(cell * 10, label) for cell, label in ticks(span._replace(cells=span.cells // 10), wall)]


def _segment(left: float, right: float, y: int, one: Segment) -> str:
    seconds = one.ends - one.begins
    colour = BROKEN if one.condition == PROBLEM else READY if one.condition == DONE else STAGES.get(one.stage, OTHER)
    said = f'"{escape(f"{one.stage}: {one.condition}, {seconds:.0f} s")}"'
    shape = f'x="{left}" y="{y + 3}" width="{max(round(right - left, 2), 0.5)}" height="{ROW - 6}" fill="{colour}"'
    return f'<rect {shape} fill-opacity="{_OPACITY.get(one.condition, 1.0)}" aria-label={said}/>'


def _mark(x: float, y: float, mark: Mark) -> str:
    colour, path = _SHAPES[mark.kind]
    said = escape(_plain(mark.text), quote=False)
    return f'<path d="{path}" transform="translate({x},{y})" fill="{colour}" stroke="#ffffff"><title>{said}</title></path>'


def _legend(y: int) -> list[str]:
    out, x = [], LEFT
    for name, colour in (*STAGES.items(), ("ready", READY), ("problem", BROKEN)):
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{x + 17}" y="{y}" {_FONT} font-size="11" fill="{TEXT}">{name}</text>')
        x += 95
    for kind, name in ((FAILURE, "failure"), (REBOOT, "reboot"), (ORDER, "order of a person")):
        out.append(_mark(x + 5, y - 4, Mark(0.0, kind, name)))
        out.append(f'<text x="{x + 17}" y="{y}" {_FONT} font-size="11" fill="{TEXT}">{name}</text>')
        x += 80
    return out


def _plain(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _short(name: str) -> str:
    return _plain(name.split(".")[0])[:24]
