"""All lines of the terminal, from the session: title, body, next, keys. One grid for all screens. Pure.

 r07 > nodes        6 nodes  3 ready  2 working  1 problem      09:14:41  ~12m left
─────────────────────────────────────────────────────────────── /store  1-17 of 40 ─
body
────────────────────────────────────────────────────────────────────────────────────
 next  node-16: silence DHCP server 10.0.0.3, then press r
 1 nodes 2 rack 3 topology 4 roles 5 plan 6 networks 7 events 8 health       ? help
"""

from __future__ import annotations

from collections.abc import Callable

from . import glyphs as g
from . import lead, look_back, panes, repair
from .formats import clock, left
from .overlays import Filter
from .screen import Hint
from .session import Session
from .standing import STYLE
from .styled import BLANK, Line, Span, clean, clip, fit, line, paste, width, wrap

LEAST = (60, 12)
MOST = 4
"""Most lines of an answer or of the next step."""


def draw(session: Session, columns: int, rows: int) -> list[Line]:
    """The whole screen: exactly `rows` lines of `columns` cells."""
    if columns < LEAST[0] or rows < LEAST[1]:
        said = f"the terminal is too small: {columns}x{rows}; the console needs 80x24"
        return [fit(line(clip(said, columns)) if y == rows // 2 else BLANK, columns) for y in range(rows)]

    def part(what: str, make: Callable[[], list[Line]]) -> list[Line]:
        return _part(session, what, columns, make)

    when = part("the journal's bar", lambda: look_back.lines(session, columns)) if session.past is not None else []
    low = [*part("the answer line", lambda: toast(session, columns)), *when, *part("the next line", lambda: following(session, columns))]
    low += part("the key line", lambda: [keys(session, columns)])
    room = max(rows - 2 - len(low), 1)
    body = part(f"the screen {session.page.name}", lambda: panes.body(session.page, columns, room))[:room]
    body = [fit(one, columns) for one in body] + [fit(BLANK, columns)] * (room - len(body))
    session.body_rows = room
    over = session.overlay
    if over is not None and not isinstance(over, Filter):
        box = _part(session, "this question", columns, lambda: over.box(columns, room))
        wide = width(box[0])
        at, top = (columns - wide) // 2, max((room - len(box)) // 3, 0)
        for i, one in enumerate(box[:room]):
            body[top + i] = fit(paste(body[top + i], at, one), columns)
    head = [
        *part("the title", lambda: [title(session, columns)]),
        *part("the line below the title", lambda: [rule(columns, session.manner.keymap.words(session.page.rule()))]),
    ]
    return [*head, *body, *low][:rows]


def _part(session: Session, what: str, columns: int, make: Callable[[], list[Line]]) -> list[Line]:
    """A part of the screen. If it cannot be drawn, one line says so."""
    return session.defects.guarded(what, make, lambda said: [fit(line((clip(f" ! {said}", columns), "bad")), columns)])


def title(session: Session, columns: int) -> Line:
    """Where we are, the state of the rack, clock and estimate. What this console may not do stands first, and stays."""
    if session.manner.read_only:
        head = line((" read-only", "ask"))
        return (*head, *_title(session, columns - width(head)))
    told = lead.title(session.snapshot.health.get("leading") or {}, columns)
    if told[0]:
        return (told, *_title(session, columns - width((told,))))
    return _title(session, columns)


def _title(session: Session, columns: int) -> Line:
    world = session.world
    site = world.plan.site.name if world.plan is not None else "crowbar"
    crumbs = [(f" {clean(site)}", "dim")]
    for i, page in enumerate(session.stack):
        crumbs += [(" > ", "dim"), (clean(page.crumb()), "name" if i == len(session.stack) - 1 else "")]
    corner = session.page.corner()
    corner = standing(session) if corner is None else corner
    found = session.page.middle()
    middle: Line = health(session) if found is None else found
    own = session.page.corner() is not None

    def over() -> bool:
        return width(tuple(crumbs)) + 3 + width(middle) + (3 + width(corner) if corner else 0) > columns

    while over() and own and corner:
        corner = corner[1:]
    while over() and len(middle) > 1:
        middle = ((middle[1][0].lstrip(), middle[1][1]), *middle[2:])  # problems stand last
    while over() and len(corner) > 1:
        corner = corner[:-1]
    while over() and len(crumbs) > 3:
        crumbs = [(" ", ""), *(crumbs[3:] if crumbs[0][0] == " " else crumbs[2:])]
    if over():
        corner = ()
    room = columns - width(tuple(crumbs)) - 3
    middle = middle if width(middle) <= room else ()
    start = width(tuple(crumbs)) + 3
    at = max(min((columns - width(middle)) // 2 - 4, columns - width(corner) - width(middle) - 3), start)
    head = fit((*fit(tuple(crumbs), min(at, columns)), *middle), columns - width(corner) - 1)
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
    if found.seconds is None:
        return (now,)
    if found.guessed:
        return (now, ("  ", ""), (f"{left(found.seconds)} left (guess)", "dim"))
    return (now, ("  ", ""), (f"{left(found.seconds)} left", ""))


def rule(columns: int, said: str = "", style: str = "dim") -> Line:
    if not said:
        return ((g.RULE * columns, "dim"),)
    said = f" {clip(said, columns - 6)} "
    return ((g.RULE * (columns - len(said) - 1), "dim"), (said, style), (g.RULE, "dim"))


def toast(session: Session, columns: int) -> list[Line]:
    """The rule above the next line. It shows the newest answer for some seconds, on as many lines as that needs."""
    note = session.toast()
    if session.alert.text and session.past is None:
        text, style = session.alert
        tail = f"  {session.key('g n')} goes there " if style != "good" else " "
        told = [f" ! {one} " if i == 0 else f"   {one} " for i, one in enumerate(wrap(text, columns - 4 - len(tail), MOST))]
        ends = [" " * len(tail)] * (len(told) - 1) + [tail]
        return [((f"{one:<{columns - len(end)}}{end}", f"{style}+"),) for one, end in zip(told, ends, strict=True)]
    if session.past is not None:
        return [look_back.rule(session, columns)]
    if note is None:
        return [rule(columns, "asked ..." if session.waiting > 0 else "")]
    said = session.manner.keymap.words(note.text if note.ok or not note.advice else f"{note.text}: {note.advice}")
    mark, style = (g.TICK, "good") if note.ok else ("!", "bad")
    if len(said) <= columns - 8:
        text = f" {mark} {clip(said, columns - 8)} "
        return [((g.RULE, "dim"), (text, style), (g.RULE * (columns - 1 - len(text)), "dim"))]
    return [rule(columns), *_lines((f" {mark} ", style), said, columns, style)]


def _lines(head: Span, text: str, columns: int, style: str) -> list[Line]:
    """A text after its head, on at most `MOST` lines."""
    texts = wrap(text, columns - len(head[0]) - 1, MOST)
    return [fit(line(head if i == 0 else " " * len(head[0]), (one, style)), columns) for i, one in enumerate(texts)]


def following(session: Session, columns: int) -> list[Line]:
    """The one action that helps most now. What to press stands in it, so it is not cut but wrapped."""
    note = session.toast() if session.past is not None else None
    if note is not None:
        said = session.manner.keymap.words(f"{note.text}; {note.advice}" if note.advice else note.text)
        return _lines((f" {g.TICK}     ", "good") if note.ok else (" !     ", "ask"), said, columns, "")
    if session.snapshot.connection in ("alone", "failed"):
        what = "no engine runs on this store" if session.snapshot.connection == "alone" else session.snapshot.trouble
        again = session.manner.keymap.words("press q, then start the engine again: crowbar")
        if session.manner.captive:
            again = "ask somebody with a shell there to start the engine: crowbar"
        return _lines((" next  ", "ask"), f"{again} ({what})", columns, "")
    if session.past is None and (told := lead.following(session.snapshot.health.get("leading") or {}, session.wall())):
        return _lines((" next  ", "ask"), told, columns, "")
    step = session.page.step() or session.step()
    now = step.human and session.past is None
    return _lines(
        (" next  ", "ask" if now else "dim"), session.manner.keymap.words(repair.said(session, step)), columns, "" if now else "dim"
    )


def keys(session: Session, columns: int) -> Line:
    over = session.overlay
    if isinstance(over, Filter):
        told: Span = ("enter keep it   esc show all   ", "dim")
        if session.page.wrong:
            told = (f" {clip(session.page.wrong, columns - 12)} ", "bad")
        room = columns - len(told[0])
        left_ = line((" /", "key"), over.typed[-max(room - 3, 1) :], (g.FULL, "dim"))
        return fit((*fit(left_, room), told), columns)
    marked = len(session.marks)
    mend = (session.key("m"), "key"), (" repair  ", "dim")
    tail = line(
        (f"{marked} marked  ", "ask") if marked else "",
        *(mend if repair.offered(session) else ()),
        (session.key("?"), "key"),
        (" help ", "dim"),
    )
    own = len(session.stack) > 1 or session.page not in session.screens
    if session.past is not None:
        hints = look_back.hints(session)
    else:
        hints = session.page.hints() if own else [Hint(str(i), p.name) for i, p in enumerate(session.screens, 1)]
    out: list[tuple[str, str]] = [(" ", "")]
    room = columns - width(tail) - 1
    for hint in hints:
        here = session.stack == [session.page] and hint.word == session.page.name
        spans = [(session.key(hint.key), "key"), (f" {hint.word} ", "name" if here else "dim")]
        if sum(len(t) for t, _ in out) + sum(len(t) for t, _ in spans) > room:
            break
        out += spans
        if columns >= 100:
            out.append(("  ", ""))
    return fit((*fit(tuple(out), columns - width(tail)), *tail), columns)
