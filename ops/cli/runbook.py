"""`lead-router runbook`: the page of a finding, a reason or an alert."""

import re
import sys

import click

from ops.cli.context import CannotRun, json_option, print_json
from ops.runbooks.library import NoSuchPage, all_pages, page_of
from ops.runbooks.page import NotInForm, Page

_WIDTH = 100
_TO_A_PAGE = re.compile(r"\[([^\]]+)\]\((?:\w+/|\.\./)?\w+\.md\)")


@click.command()
@click.argument("name", required=False)
@json_option
def runbook(name: str | None, *, as_json: bool) -> None:
    """Show the runbook of a finding, a reason or an alert; without NAME list all.

    It needs neither a database nor the network. Exit code 2 = there is no page of this name.

    \b
    Example:
      lead-router runbook groups_empty
      lead-router runbook groups_empty --json
    """
    try:
        if name is None:
            _list(as_json=as_json)
        else:
            _show(page_of(name), as_json=as_json)
    except (NoSuchPage, NotInForm) as error:
        raise CannotRun(str(error)) from error


def _list(*, as_json: bool) -> None:
    pages = all_pages()
    if as_json:
        print_json([{"name": page.name, "summary": page.summary} for page in pages])
        return
    width = max(len(page.name) for page in pages)
    for page in pages:
        click.echo(f"{page.name:{width}}  {page.summary}")


def _show(page: Page, *, as_json: bool) -> None:
    if as_json:
        print_json(page.document())
    elif sys.stdout.isatty():
        _render(page)
    else:
        click.echo(page.text, nl=False)


def _render(page: Page) -> None:
    """For a terminal. Links to other pages are names here: `lead-router runbook` takes them."""
    from rich.console import Console  # noqa: PLC0415 - a pipe needs none
    from rich.markdown import Markdown  # noqa: PLC0415

    out = Console()
    text = _TO_A_PAGE.sub(r"\1", page.text)
    out.print(Markdown(text, hyperlinks=False, code_theme="ansi_dark"), width=min(out.width, _WIDTH))
