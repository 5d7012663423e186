"""How a file of leads is read: the options that every command has that reads one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--mapping", "mapping_file", type=click.Path(path_type=Path), metavar="M.yaml", help="What the columns mean."
    ),
    click.option(
        "--encoding", metavar="NAME", help="Of FILE: utf-8, gb18030, utf-16, or another. Default: auto-detect."
    ),
    click.option("--delimiter", metavar="D", help="Of a .csv: comma, semicolon, tab, pipe. Default: auto-detect."),
    click.option("--sheet", metavar="NAME", help="Of an .xlsx workbook. Default: the first one."),
)


def file_options(command: F) -> F:
    """Adds `mapping_file`, `encoding`, `delimiter` and `sheet`, as `opened_file` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
