"""YAML as nodes that know their lines: no object is ever constructed, and hostile files stay small."""

from collections.abc import Iterator

import yaml

from router.domain.worded import Worded, worded

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 20
# Values with every alias written out. A thousand rules have some 20,000.
MAX_VALUES = 500_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """The text is not YAML, or more of it than anybody writes. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def compose(text: str) -> yaml.Node | None:
    """The one document in the text; None when there is none. Aliases are resolved, and not circular.

    Raises YamlError.
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError(
            1, worded("has {size:,} characters; the maximum is {limit:,}", size=len(text), limit=MAX_CHARACTERS)
        )
    try:
        _check_size(yaml.parse(text, Loader=_Loader))
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # At the end of the text libyaml may count one line more than there are.
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        raise YamlError(line, _syntax(error)) from None
    except yaml.reader.ReaderError as error:
        said = worded("holds a character that YAML forbids ({why})", why=error.reason)
        raise YamlError(_line_of_unreadable(text), said) from None
    except UnicodeEncodeError as error:
        raise YamlError(text.count("\n", 0, error.start) + 1, worded("holds half of a character")) from None


def line_of(node: yaml.Node) -> int:
    """The line on which the node begins, from 1."""
    return int(node.start_mark.line) + 1


def _check_size(events: Iterator[yaml.Event]) -> None:
    """Refuses what would not fit when read: deep nesting, aliases of aliases, circular aliases."""
    # Of the lists and mappings that are open: their anchors, and what they hold so far with every alias written out.
    anchors: list[str | None] = [None]
    values = [0]
    finished: dict[str | None, int] = {}
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
            values.append(1)
        elif isinstance(event, yaml.CollectionEndEvent):
            finished[anchors.pop()] = count = values.pop()
            values[-1] += count
        elif isinstance(event, yaml.ScalarEvent):
            finished[event.anchor] = 1
            values[-1] += 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in anchors:
                raise YamlError(line, worded("{anchor} is inside its own anchor", anchor=f"*{event.anchor}"))
            values[-1] += finished.get(event.anchor, 0)
        if len(anchors) > MAX_DEPTH:
            raise YamlError(line, worded("is nested deeper than {limit} levels", limit=MAX_DEPTH))
        if values[-1] > MAX_VALUES:
            raise YamlError(line, worded("has more than {limit:,} values", limit=MAX_VALUES))


def _syntax(error: yaml.MarkedYAMLError) -> Worded:
    """What libyaml says of it stays as it is."""
    problem = " ".join(part for part in (error.context, error.problem) if part)
    said = worded("is not YAML: {problem}", problem=problem)
    if "mapping values are not allowed" in problem:
        return said + worded(
            '; a text with ": " in it needs quotes, a field in a field needs {{braces}} or its own line'
        )
    if "cannot start any token" in problem:
        return said + worded("; indent with spaces, and quote a text that begins with a special character")
    return said


def _line_of_unreadable(text: str) -> int:
    for number, line in enumerate(text.split("\n"), start=1):
        if yaml.reader.Reader.NON_PRINTABLE.search(line):
            return number
    return 1
