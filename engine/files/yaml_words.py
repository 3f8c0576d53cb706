"""What a person did who wrote text that is not YAML: the parser's complaints in the words of the trade, with the line to look at.

The parser complains where it gives up. That is often a line after the mistake, so some complaints belong to the line where it began.
"""

from __future__ import annotations

from typing import Any

HINTS: tuple[tuple[str, str, bool], ...] = (
    ("could not find expected ':'", "expected KEY: VALUE, with a colon and a space after it", True),
    ("mapping values are not allowed", "a key cannot stand here: check the indentation, and quote a text that contains ': '", False),
    ("unexpected end of stream while scanning a quoted", "the quotation mark that opens here is never closed", True),
    (
        "did not find expected ',' or '}'",
        "the map {{...}} from line {began} goes wrong here: close it, and quote text with braces",
        False,
    ),
    (
        "did not find expected ',' or ']'",
        "the list [...] from line {began} goes wrong here: close it, and quote text with brackets",
        False,
    ),
    ("did not find expected '-' indicator", "expected '- ' as in the list from line {began}: check the indentation", False),
    ("did not find expected key", "the indentation fits no line above", False),
    ("scanning an alias", "'*' cannot begin a word: put it in quotes", False),
    ("unexpected ':' while scanning a plain scalar", "a space is missing after the colon", False),
    ("<document start>", "the document ended above: nothing may follow '...'", False),
    ("scanning a block scalar", "expected nothing but a comment after '|' or '>'", False),
)
"""Part of a complaint -> its hint, and whether the line is the one where it began."""


def complaint(error: Any, text: str) -> tuple[int, str]:
    """Line, counted from 1, and words of a `yaml.MarkedYAMLError`."""
    mark = error.problem_mark or error.context_mark
    began = error.context_mark or mark
    said = " ".join(part for part in (error.problem, error.context) if part) or "it does not parse"
    line = mark.line + 1 if mark is not None else 1
    if "cannot start any token" in said:
        return line, _cannot_begin(text, mark) or said
    for part, hint, at_begin in HINTS:
        if part in said:
            return (began.line + 1 if at_begin and began is not None else line), hint.format(began=began.line + 1 if began else line)
    return line, said


def _cannot_begin(text: str, mark: Any) -> str:
    """The mark counts lines and columns in characters. Its index may count bytes."""
    lines = text.splitlines()
    row = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    char = row[mark.column : mark.column + 1]
    if char == "\t":
        return "a tab indents this line: use spaces"
    return f"{char!r} cannot begin a word: put it in quotes" if char else ""
