"""The messages of the code, and bringing the catalogues up to date with them: `python -m ops.text.messages`.

Example: `python -m ops.text.messages` (as `make messages`) adds what is new, untranslated, and drops what is gone;
`--check` changes nothing and exits with 1 when a catalogue is not complete.
"""

import ast
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polib
from jinja2 import Environment, nodes

from ops.text.translation import LOCALES, catalogue

ROOTS = (Path(__file__).parents[1], Path(__file__).parents[2] / "router")
_SINGLE = ("gettext", "N_", "_", "worded")
_COUNTED = ("ngettext", "worded_count")

Message = tuple[str, str]
"""A message and its plural; "" = it has none."""


def messages() -> dict[Message, None]:
    """All messages of ops and router, in the order of their files; those of templates last."""
    code = (message for root in ROOTS for file in sorted(root.rglob("*.py")) for message in _messages_of(file))
    pages = (message for root in ROOTS for file in sorted(root.rglob("*.html")) for message in _messages_of_page(file))
    return dict.fromkeys(chain(code, pages))


def _messages_of(file: Path) -> Iterator[Message]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if name in _SINGLE and texts:
            yield texts[0], ""
        elif name in _COUNTED and len(texts) > 1:
            yield texts[0], texts[1]


def _messages_of_page(file: Path) -> Iterator[Message]:
    """Those of a Jinja template."""
    calls = Environment(autoescape=True).parse(file.read_text(encoding="utf-8")).find_all(nodes.Call)
    for call in calls:
        name = call.node.name if isinstance(call.node, nodes.Name) else ""
        texts = [arg.value for arg in call.args if isinstance(arg, nodes.Const) and isinstance(arg.value, str)]
        if name in _SINGLE and texts:
            yield texts[0], ""
        elif name in _COUNTED and len(texts) > 1:
            yield texts[0], texts[1]


def updated(language: str) -> polib.POFile:
    """The catalogue with every message of the code, and no other; new ones are not translated yet."""
    old = polib.pofile(str(catalogue(language)))
    known = {(entry.msgid, entry.msgid_plural): entry for entry in old}
    new = polib.POFile()
    new.metadata = old.metadata
    for message, plural in messages():
        entry = known.get((message, plural)) or polib.POEntry(msgid=message, msgid_plural=plural, msgstr="")
        if plural and not entry.msgstr_plural:
            entry.msgstr_plural = {0: ""}
        if "{" in message and "python-brace-format" not in entry.flags:
            entry.flags.append("python-brace-format")
        new.append(entry)
    return new


def main() -> int:
    """Updates or checks every catalogue; returns the exit code."""
    incomplete = 0
    for language in LOCALES.keys() - {"en"}:
        path, new = catalogue(language), updated(language)
        missing = new.untranslated_entries()
        if "--check" in sys.argv:
            stale = path.read_text(encoding="utf-8") != str(new)
            incomplete += bool(missing) or stale
            print(f"{path}: {len(missing)} not translated{', not up to date: make messages' if stale else ''}")
        else:
            new.save(str(path))
            print(f"{path}: {len(new)} messages, {len(missing)} not translated")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
