"""Templates of boot scripts and of installers' answers: read once, checked, and rendered in a time that their length bounds.

The templates of an image come from whoever made the image. They are rendered in the engine's own process, so none may keep it busy or fill
its memory. A template may name values, join them, ask for them with `if`, and go through a list with `for`. Nothing else is taken: no loop
in a loop, no `range`, no arithmetic, no macro, no import. `set` sees only the values that were given, because a text that is set from
itself doubles each time. One expression has at most NAMES names, and rendering ends as soon as the text is longer than LONGEST.

Jinja's sandbox keeps a template away from Python's insides; it bounds no time (https://jinja.palletsprojects.com/en/stable/sandbox/,
"Security Considerations").
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

LARGEST = 64 * 1024
"""Octets of a template."""
LONGEST = 1024 * 1024
"""Characters of what is rendered."""
NAMES = 16
"""Names in one expression."""
_PLAIN = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
    nodes.Getattr,
    nodes.Test,
)
_FILTERS = ("default", "join", "length", "lower", "trim", "upper")
_CALLS = ("startswith", "endswith")


class TemplateWrong(ValueError):
    """A template that cannot be read or rendered. The message names the file, and the line where there is one."""


class Template:
    """A template that was read and checked. Raises TemplateWrong, and OSError where the file cannot be read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        environment = SandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        with file.open("rb") as stream:
            octets = stream.read(LARGEST + 1)
        if len(octets) > LARGEST:
            raise TemplateWrong(f"{file} has more than {LARGEST >> 10} KiB: that is no template")
        try:
            text = octets.decode("utf-8")
            made: frozenset[str] = frozenset()
            for node in environment.parse(text).body:
                made = _check(node, made, looping=False)
            self._template = environment.from_string(text)
        except (_NotTaken, TemplateError, UnicodeDecodeError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            raise TemplateWrong(f"{file}{f', line {line}' if line else ''}: {error}") from error

    def render(self, **values: object) -> str:
        """The text. Raises TemplateWrong for a name that has no value, and for a text longer than LONGEST."""
        pieces, length = [], 0
        try:
            for piece in self._template.generate(**values):
                length += len(piece)
                if length > LONGEST:
                    raise TemplateWrong(f"{self._file}: what it makes is longer than {LONGEST >> 20} MiB")
                pieces.append(piece)
        except TemplateError as error:
            raise TemplateWrong(f"{self._file}: {type(error).__name__}: {error}") from error
        return "".join(pieces)


class _NotTaken(Exception):
    def __init__(self, node: nodes.Node, why: str) -> None:
        super().__init__(why)
        self.lineno = node.lineno


def _check(node: nodes.Node, made: frozenset[str], looping: bool) -> frozenset[str]:
    """Refuses what has no bound. `made`: names that the template itself has set; returns them as they are after this node."""
    if isinstance(node, nodes.Expr) and len(names := _names(node)) > NAMES:
        raise _NotTaken(node, f"an expression of a template has at most {NAMES} names, and this one has {len(names)}")
    match node:
        case nodes.For():
            if looping:
                raise _NotTaken(node, "a loop in a loop is not taken in a template")
            if node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr):
                raise _NotTaken(node, "a template's loop goes through a list that it is given, and through nothing else")
            looping = True
        case nodes.Assign():
            if not isinstance(node.target, nodes.Name) or made & {name.name for name in _names(node.node)}:
                raise _NotTaken(node, "`set` in a template sees only values that the template is given")
            made |= {node.target.name}
        case nodes.Filter():
            if node.name not in _FILTERS:
                raise _NotTaken(node, f"filter {node.name!r} is not taken in a template; known are {', '.join(_FILTERS)}")
            if not all(isinstance(one, nodes.Const) for one in node.args) or node.kwargs or node.dyn_args or node.dyn_kwargs:
                raise _NotTaken(node, f"filter {node.name!r} takes plain texts only")
        case nodes.Call():
            if not isinstance(node.node, nodes.Getattr) or node.node.attr not in _CALLS:
                raise _NotTaken(node, f"a template calls nothing but {' and '.join(_CALLS)}")
        case _ if not isinstance(node, _PLAIN):
            raise _NotTaken(node, f"{type(node).__name__} is not taken in a template")
    for child in node.iter_child_nodes():
        made = _check(child, made, looping)
    return made


def _names(node: nodes.Node) -> list[nodes.Name]:
    return [*([node] if isinstance(node, nodes.Name) else []), *node.find_all(nodes.Name)]


@cache
def _read(file: str, _changed: int) -> Template:
    return Template(Path(file))


def template(file: Path) -> Template:
    """The template in a file as it is now. Raises TemplateWrong and OSError."""
    return _read(str(file), file.stat().st_mtime_ns)
