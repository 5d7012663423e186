"""The settings that a YAML file has."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from router.rules.document import At, Reader, Wrong, read_file, read_top, top_of
from router.rules.problems import InvalidFile
from router.rules.reader import empty, mapping
from router.settings.kinds import WrongValue, expected, may_be_empty, parsed
from router.settings.model import KINDS, SettingsError
from router.telemetry.masking import mask_passwords


def values_in(file: Path) -> dict[str, Any]:
    """The values by the names of the settings. Raises SettingsError with all that is wrong."""
    values: dict[str, Any] = {}
    try:
        top = top_of(read_file(file), str(file))
        if top is not None:
            read_top(top, partial(_section, "", values))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except InvalidFile as error:
        raise SettingsError(mask_passwords("\n".join(map(_harmless, map(str, error.problems))))) from None
    return values


def _harmless(problem: str) -> str:
    """A text that is not YAML may be quoted with a password in it."""
    return re.sub(r"(is not YAML:.*?)'.*", r"\1…", problem, flags=re.DOTALL)


def _section(within: str, values: dict[str, Any], at: At) -> dict[str, Any]:
    """Notes the values of the section; `within` is its name with a dot behind it, empty for the whole file."""
    readers: dict[str, Reader[Any]] = {}
    for name in KINDS:
        key, dot, _ = name.removeprefix(within).partition(".")
        if name.startswith(within):
            below = f"{within}{key}"
            readers[key] = partial(_section, below + dot, values) if dot else partial(_setting, name, values)
    if not isinstance(at.node, yaml.MappingNode):
        if empty(at):
            return {}
        raise Wrong(f"must be a mapping with keys of {', '.join(readers)}")
    return mapping(at, readers)


def _setting(name: str, values: dict[str, Any], at: At) -> None:
    if not isinstance(at.node, yaml.ScalarNode):
        raise Wrong(f"must be {expected(name)}")
    if empty(at) and may_be_empty(name):
        values[name] = None
        return
    try:
        values[name] = parsed(name, at.node.value)
    except WrongValue as wrong:
        raise Wrong(str(wrong)) from None
