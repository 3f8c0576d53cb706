"""All lines of the terminal, from the desk: title, body, next, keys. One grid for all screens. Pure.

     r07 > nodes        6 nodes  3 ready  2 working  1 problem      09:14:41  ~12m left
    ─────────────────────────────────────────────────────────────── /store  1-17 of 40 ─
    body
    ────────────────────────────────────────────────────────────────────────────────────
     next  node-16: silence DHCP server 10.0.0.3, then press r
     1 nodes 2 rack 3 topology 4 roles 5 plan 6 networks 7 events 8 health       ? help
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import glyphs as g
from . import looking
from .desk import INK
from .ink import BLANK, Line, clean, clip, cut, fit, line, paste, width
from .overlays import Filter
from .page import Hint
from .words import clock, left

if TYPE_CHECKING:
    from .desk import Desk

LEAST = (60, 12)


def draw(desk: Desk, columns: int, rows: int) -> list[Line]:
    """Exactly `rows` lines of `columns` cells."""
    if columns < LEAST[0] or rows < LEAST[1]:
        said = f"too small: {columns}x{rows}; 80x24 is enough"
        return [fit(line(clip(said, columns)) if y == rows // 2 else BLANK, columns) for y in range(rows)]
    room = rows - 5 - (looking.ROWS if desk.past is not None else 0)
    body = [fit(one, columns) for one in desk.page.body(columns, room)[:room]]
    body += [fit(BLANK, columns)] * (room - len(body))
    over = desk.overlay
    if over is not None and not isinstance(over, Filter):
        box = over.box(columns, room)
        wide = width(box[0])
        at, top = (columns - wide) // 2, max((room - len(box)) // 3, 0)
        for i, one in enumerate(box[:room]):
            body[top + i] = fit(paste(body[top + i], at, one), columns)
    head = [title(desk, columns), rule(columns, desk.page.rule())]
    when = looking.lines(desk, columns) if desk.past is not None else []
    return [*head, *body, toast(desk, columns), *when, following(desk, columns), keys(desk, columns)]


def title(desk: Desk, columns: int) -> Line:
    world = desk.world
    site = world.plan.site.name if world.plan is not None else "crowbar"
    crumbs = [(f" {clean(site)}", "dim")]
    for i, page in enumerate(desk.stack):
        crumbs += [(" > ", "dim"), (clean(page.crumb()), "name" if i == len(desk.stack) - 1 else "")]
    corner = desk.page.corner()
    corner = standing(desk) if corner is None else corner
    middle = desk.page.middle()
    middle = health(desk) if middle is None else middle
    start = width(tuple(crumbs)) + 3
    over = start + width(middle) + 3 + width(corner) - columns
    if over > 0 and desk.page.corner() is not None:  # what is being said goes before what it is
        while over > 0 and len(corner) > 1:
            over -= width(corner[:1])
            corner = corner[1:]
        corner = cut(corner, max(over, 0), width(corner))
    room = columns - start - width(corner) - 3
    while len(middle) > 1 and width(middle) > room:
        middle = ((middle[1][0].lstrip(), middle[1][1]), *middle[2:])  # problems stand last, and stay
    middle = cut(middle, 0, max(room, 0))
    at = max(min((columns - width(middle)) // 2 - 4, columns - width(corner) - width(middle) - 3), start)
    head = fit((*fit(tuple(crumbs), at), *middle), columns - width(corner) - 1)
    return fit((*head, *corner), columns)


def health(desk: Desk) -> Line:
    nodes = len(desk.order)
    out = [(f"{nodes} node{'' if nodes == 1 else 's'}", "")]
    for word in ("ready", "working", "waiting", "problem"):
        many = desk.counts[word]
        if many or word == "ready":
            name = "problems" if word == "problem" and many > 1 else word
            out.append((f"  {many} {name}", INK[word] if many else "dim"))
    return tuple(out)


def standing(desk: Desk) -> Line:
    """Clock and estimate, or that there is no engine."""
    now = (f"{clock(desk.wall())}", "dim")
    if desk.snapshot.state == "alone":
        return (("no engine  ", "bad"), now)
    if desk.snapshot.state == "failed":
        return (("the engine stopped  ", "bad"), now)
    found = desk.estimate()
    if not found.working:
        return (now,)
    text = f"{left(found.seconds)} left" if found.seconds is not None else "left: unknown"
    return (now, ("  ", ""), (text, "" if found.seconds is not None else "dim"))


def rule(columns: int, said: str = "", ink: str = "dim") -> Line:
    if not said:
        return ((g.RULE * columns, "dim"),)
    said = f" {clip(said, columns - 6)} "
    return ((g.RULE * (columns - len(said) - 1), "dim"), (said, ink), (g.RULE, "dim"))


def toast(desk: Desk, columns: int) -> Line:
    """The rule over the next line; the last answer stands on it while it is new."""
    note = desk.toast()
    if desk.past is not None:
        return looking.rule(desk, columns)
    if note is None:
        return rule(columns, "asked ..." if desk.waiting > 0 else "")
    said = note.text if note.ok or not note.advice else f"{note.text}: {note.advice}"
    mark, ink = (g.TICK, "good") if note.ok else ("!", "bad")
    text = f" {mark} {clip(said, columns - 8)} "
    return ((g.RULE, "dim"), (text, ink), (g.RULE * (columns - 1 - len(text)), "dim"))


def following(desk: Desk, columns: int) -> Line:
    note = desk.toast() if desk.past is not None else None
    if note is not None:
        said = f"{note.text}; {note.advice}" if note.advice else note.text
        mark = (f" {g.TICK}     ", "good") if note.ok else (" !     ", "ask")
        return fit(line(mark, clip(said, columns - 8)), columns)
    if desk.snapshot.state in ("alone", "failed"):
        what = "no engine runs on this store" if desk.snapshot.state == "alone" else desk.snapshot.trouble
        return fit(line((" next  ", "ask"), clip(f"leave with q and start the engine again: crowbar ({what})", columns - 8)), columns)
    step = desk.page.step() or desk.step()
    now = step.human and desk.past is None
    head = (" next  ", "ask" if now else "dim")
    return fit(line(head, (clip(desk.say(step.text), columns - 8), "" if now else "dim")), columns)


def keys(desk: Desk, columns: int) -> Line:
    over = desk.overlay
    if isinstance(over, Filter):
        left_ = line((" /", "key"), clip(over.typed, columns - 34), (g.FULL, "dim"))
        return fit((*fit(left_, columns - 31), ("enter keep it   esc show all ", "dim")), columns)
    marked = len(desk.marks)
    tail = line((f"{marked} marked  ", "ask") if marked else "", ("?", "key"), (" help ", "dim"))
    own = len(desk.stack) > 1 or desk.page not in desk.screens
    if desk.past is not None:
        hints = looking.hints(desk)
    else:
        hints = desk.page.hints() if own else [Hint(str(i), p.name) for i, p in enumerate(desk.screens, 1)]
    out: list[tuple[str, str]] = [(" ", "")]
    room = columns - width(tail) - 1
    for hint in hints:
        here = desk.stack == [desk.page] and hint.word == desk.page.name
        spans = [(hint.key, "key"), (f" {hint.word} ", "name" if here else "dim")]
        if sum(len(t) for t, _ in out) + sum(len(t) for t, _ in spans) > room:
            break
        out += spans
        if columns >= 100:
            out.append(("  ", ""))
    return fit((*fit(tuple(out), columns - width(tail)), *tail), columns)
