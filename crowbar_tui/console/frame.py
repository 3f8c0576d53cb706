"""All lines of the terminal, from the session: title, body, next, keys. One grid for all screens. Pure.

 r07 > nodes        6 nodes  3 ready  2 working  1 problem      09:14:41  ~12m left
─────────────────────────────────────────────────────────────── /store  1-17 of 40 ─
body
────────────────────────────────────────────────────────────────────────────────────
 next  node-16: silence DHCP server 10.0.0.3, then press r
 1 nodes 2 rack 3 topology 4 roles 5 plan 6 networks 7 events 8 health       ? help
"""

from __future__ import annotations

from . import glyphs as g
from . import look_back
from .formats import clock, left
from .overlays import Filter
from .screen import Hint
from .session import STYLE, Session
from .styled import BLANK, Line, clean, clip, cut, fit, line, paste, width

LEAST = (60, 12)


def draw(session: Session, columns: int, rows: int) -> list[Line]:
    """The whole screen: exactly `rows` lines of `columns` cells."""
    if columns < LEAST[0] or rows < LEAST[1]:
        said = f"the terminal is too small: {columns}x{rows}; the console needs 80x24"
        return [fit(line(clip(said, columns)) if y == rows // 2 else BLANK, columns) for y in range(rows)]
    room = rows - 5 - (look_back.ROWS if session.past is not None else 0)
    body = [fit(one, columns) for one in session.page.body(columns, room)[:room]]
    body += [fit(BLANK, columns)] * (room - len(body))
    over = session.overlay
    if over is not None and not isinstance(over, Filter):
        box = over.box(columns, room)
        wide = width(box[0])
        at, top = (columns - wide) // 2, max((room - len(box)) // 3, 0)
        for i, one in enumerate(box[:room]):
            body[top + i] = fit(paste(body[top + i], at, one), columns)
    head = [title(session, columns), rule(columns, session.page.rule())]
    when = look_back.lines(session, columns) if session.past is not None else []
    return [*head, *body, toast(session, columns), *when, following(session, columns), keys(session, columns)]


def title(session: Session, columns: int) -> Line:
    world = session.world
    site = world.plan.site.name if world.plan is not None else "crowbar"
    crumbs = [(f" {clean(site)}", "dim")]
    for i, page in enumerate(session.stack):
        crumbs += [(" > ", "dim"), (clean(page.crumb()), "name" if i == len(session.stack) - 1 else "")]
    corner = session.page.corner()
    corner = standing(session) if corner is None else corner
    middle = session.page.middle()
    middle = health(session) if middle is None else middle
    start = width(tuple(crumbs)) + 3
    over = start + width(middle) + 3 + width(corner) - columns
    if over > 0 and session.page.corner() is not None:  # the question comes before the site's name
        while over > 0 and len(corner) > 1:
            over -= width(corner[:1])
            corner = corner[1:]
        corner = cut(corner, max(over, 0), width(corner))
    room = columns - start - width(corner) - 3
    while len(middle) > 1 and width(middle) > room:
        middle = ((middle[1][0].lstrip(), middle[1][1]), *middle[2:])  # problems stand last and are never cut
    middle = cut(middle, 0, max(room, 0))
    at = max(min((columns - width(middle)) // 2 - 4, columns - width(corner) - width(middle) - 3), start)
    head = fit((*fit(tuple(crumbs), at), *middle), columns - width(corner) - 1)
    return fit((*head, *corner), columns)


def health(session: Session) -> Line:
    nodes = len(session.order)
    out = [(f"{nodes} node{'' if nodes == 1 else 's'}", "")]
    for word in ("ready", "working", "waiting", "problem"):
        many = session.counts[word]
        if many or word == "ready":
            name = "problems" if word == "problem" and many > 1 else word
            out.append((f"  {many} {name}", STYLE[word] if many else "dim"))
    return tuple(out)


def standing(session: Session) -> Line:
    """Clock and estimate, or a note that no engine runs."""
    now = (f"{clock(session.wall())}", "dim")
    if session.snapshot.connection == "alone":
        return (("no engine  ", "bad"), now)
    if session.snapshot.connection == "failed":
        return (("the engine stopped  ", "bad"), now)
    found = session.estimate()
    if not found.working:
        return (now,)
    text = f"{left(found.seconds)} left" if found.seconds is not None else "left: unknown"
    return (now, ("  ", ""), (text, "" if found.seconds is not None else "dim"))


def rule(columns: int, said: str = "", style: str = "dim") -> Line:
    if not said:
        return ((g.RULE * columns, "dim"),)
    said = f" {clip(said, columns - 6)} "
    return ((g.RULE * (columns - len(said) - 1), "dim"), (said, style), (g.RULE, "dim"))


def toast(session: Session, columns: int) -> Line:
    """The rule above the next line. It shows the newest answer for some seconds."""
    note = session.toast()
    if session.past is not None:
        return look_back.rule(session, columns)
    if note is None:
        return rule(columns, "asked ..." if session.waiting > 0 else "")
    said = note.text if note.ok or not note.advice else f"{note.text}: {note.advice}"
    mark, style = (g.TICK, "good") if note.ok else ("!", "bad")
    text = f" {mark} {clip(said, columns - 8)} "
    return ((g.RULE, "dim"), (text, style), (g.RULE * (columns - 1 - len(text)), "dim"))


def following(session: Session, columns: int) -> Line:
    note = session.toast() if session.past is not None else None
    if note is not None:
        said = f"{note.text}; {note.advice}" if note.advice else note.text
        mark = (f" {g.TICK}     ", "good") if note.ok else (" !     ", "ask")
        return fit(line(mark, clip(said, columns - 8)), columns)
    if session.snapshot.connection in ("alone", "failed"):
        what = "no engine runs on this store" if session.snapshot.connection == "alone" else session.snapshot.trouble
        return fit(line((" next  ", "ask"), clip(f"press q, then start the engine again: crowbar ({what})", columns - 8)), columns)
    step = session.page.step() or session.step()
    now = step.human and session.past is None
    head = (" next  ", "ask" if now else "dim")
    return fit(line(head, (clip(session.say(step.text), columns - 8), "" if now else "dim")), columns)


def keys(session: Session, columns: int) -> Line:
    over = session.overlay
    if isinstance(over, Filter):
        left_ = line((" /", "key"), clip(over.typed, columns - 34), (g.FULL, "dim"))
        return fit((*fit(left_, columns - 31), ("enter keep it   esc show all ", "dim")), columns)
    marked = len(session.marks)
    tail = line((f"{marked} marked  ", "ask") if marked else "", ("?", "key"), (" help ", "dim"))
    own = len(session.stack) > 1 or session.page not in session.screens
    if session.past is not None:
        hints = look_back.hints(session)
    else:
        hints = session.page.hints() if own else [Hint(str(i), p.name) for i, p in enumerate(session.screens, 1)]
    out: list[tuple[str, str]] = [(" ", "")]
    room = columns - width(tail) - 1
    for hint in hints:
        here = session.stack == [session.page] and hint.word == session.page.name
        spans = [(hint.key, "key"), (f" {hint.word} ", "name" if here else "dim")]
        if sum(len(t) for t, _ in out) + sum(len(t) for t, _ in spans) > room:
            break
        out += spans
        if columns >= 100:
            out.append(("  ", ""))
    return fit((*fit(tuple(out), columns - width(tail)), *tail), columns)
