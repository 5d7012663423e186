"""All events that the code logs, read from the code: level, fields and where; and their page, docs/log-events.md.

`make docs` writes the page. What an event means is written there by hand, and kept.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.e2e.commands import PROJECT

PAGE = PROJECT / "docs/log-events.md"
LEVELS = ("critical", "error", "warning", "info", "debug")
NAMED_ELSEWHERE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("router/http/serving.py", "self._event"): ("listening", "API listening"),
    ("ops/cleanup/service.py", "event"): ("tenant not cleaned up", "partitions not cleaned up"),
}
"""Events that come from a caller; a test holds that the code has these texts."""
_ROW = re.compile(r"^\| `(?P<event>[^`]+)` \| [^|]* \| [^|]* \| (?P<meaning>[^|]*) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """`level` = the worst at which it is logged; `service` = it is the failure of that periodic service."""

    level: str
    text: str
    fields: tuple[str, ...]
    module: str
    service: bool = False


@cache
def events() -> tuple[Event, ...]:
    """All of them, each once: by level, then by text."""
    found: dict[tuple[str, bool], Event] = {}
    for event in _all():
        known = found.get((event.text, event.service))
        if known:
            level = min(known.level, event.level, key=LEVELS.index)
            fields = tuple(sorted({*known.fields, *event.fields}))
            found[event.text, event.service] = Event(level, event.text, fields, known.module, event.service)
        else:
            found[event.text, event.service] = event
    return tuple(sorted(found.values(), key=lambda one: (LEVELS.index(one.level), one.text.lower())))


def _all() -> Iterator[Event]:
    for root in ("router", "ops"):
        for file in sorted((PROJECT / root).rglob("*.py")):
            yield from _of_file(file)


def _of_file(file: Path) -> Iterator[Event]:
    text = file.read_text(encoding="utf-8")
    if "log." not in text and "failing" not in text:
        return
    name = str(file.relative_to(PROJECT))
    module = name.removesuffix(".py").replace("/", ".")
    tree = ast.parse(text)
    for function in ast.walk(tree):
        if isinstance(function, ast.ClassDef):
            yield from _failing(function, module)
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        local = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and (level := _level(call.func, local)):
                fields = tuple(sorted(keyword.arg for keyword in call.keywords if keyword.arg))
                for text in _texts(call.args[0], local, name):
                    yield Event(level, text, tuple("exception" if one == "exc_info" else one for one in fields), module)


def _level(function: ast.expr, local: Mapping[str, ast.expr]) -> str | None:
    """The worst level of a call of the logger, also through a variable; None = it is none."""
    if isinstance(function, ast.Name) and function.id in local and not isinstance(local[function.id], ast.Name):
        return _level(local[function.id], {})
    if isinstance(function, ast.IfExp):
        both = [level for one in (function.body, function.orelse) if (level := _level(one, {}))]
        return min(both, key=LEVELS.index, default=None)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log":
        return {"exception": "error"}.get(function.attr, function.attr if function.attr in LEVELS else None)
    return None


def _texts(said: ast.expr, local: Mapping[str, ast.expr], file: str) -> tuple[str, ...]:
    """What the first argument can be. Raises KeyError where it is not known."""
    if isinstance(said, ast.Name) and said.id in local:
        said = local[said.id]
    if isinstance(said, ast.IfExp):
        return (*_texts(said.body, {}, file), *_texts(said.orelse, {}, file))
    if isinstance(said, ast.Constant) and isinstance(said.value, str):
        return (said.value,)
    if ast.unparse(said) == "self.failing":
        return ()
    return NAMED_ELSEWHERE[file, ast.unparse(said)]


def _failing(cls: ast.ClassDef, module: str) -> Iterator[Event]:
    for node in cls.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "failing":
            assert isinstance(node.value, ast.Constant)
            fields = ("error", "failures", "retry_in_s", "service")
            yield Event("warning", str(node.value.value), fields, module, service=True)


def page(before: str) -> str:
    """The page anew, with the meanings of the page as it was."""
    meanings = {row["event"]: row["meaning"].strip() for row in _ROW.finditer(before)}
    head, services, tail = before.partition("\n## When a service fails\n")
    head = head.partition("\n| event ")[0].rstrip()
    rows = [one for one in events() if not one.service]
    main = [
        "| event | level | fields | means |",
        "|---|---|---|---|",
        *(f"| `{one.text}` | {one.level} | {_named(one.fields)} | {meanings.get(one.text, '')} |" for one in rows),
    ]
    intro = tail.partition("\n| event ")[0].strip()
    failing = sorted((one for one in events() if one.service), key=lambda one: one.text.lower())
    table = ["| event | where |", "|---|---|", *(f"| `{one.text}` | `{one.module}` |" for one in failing)]
    return "\n".join([head, "", *main, services.rstrip(), "", intro, "", *table]) + "\n"


def _named(fields: tuple[str, ...]) -> str:
    return ", ".join(f"`{one}`" for one in fields)


def meanings(text: str) -> dict[str, str]:
    """Of each event of the page, what it means."""
    return {row["event"]: row["meaning"].strip() for row in _ROW.finditer(text)}
