"""`make plots`: docs/pictures from build/bench.json and build/peers.json, and their figures in the pages."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from loadtest.plots import curves, peers
from loadtest.plots.measured import read
from ops.text.made_files import write_or_compare

DOCS = Path("docs")


class NoPlace(Exception):
    """A page has no marks between which the figures would stand."""


@click.command()
@click.option("--bench", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/bench.json"))
@click.option(
    "--peers", "peers_file", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/peers.json")
)
@click.option("--docs", type=click.Path(file_okay=False, path_type=Path), default=DOCS)
def main(bench: Path, peers_file: Path, docs: Path) -> None:
    """Draw what was measured. What was not is left as it is, and named; nothing measured at all is an error."""
    made, left = dict[Path, str](), list[str]()
    try:
        figures, beside = read(bench), read(peers_file)
        if missing := curves.missing(figures):
            left.append(f"{bench} lacks {', '.join(missing)}; run: make bench ONLY=scaling")
        else:
            made |= {docs / "pictures" / one.file: curves.draw(one, figures[one.id]) for one in curves.CURVES}
            made[docs / "capacity.md"] = with_figures(docs / "capacity.md", "scaling", curves.table(figures))
        if beside:
            made[docs / "pictures" / "peers.svg"] = peers.draw(beside)
            made[docs / "performance.md"] = with_figures(docs / "performance.md", "peers", peers.table(beside))
        else:
            left.append(f"there is no {peers_file}; run: make bench-peers")
    except (NoPlace, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    write_or_compare(made, "make plots", check=False)
    for path in made:
        print(path)
    for words in left:
        print(f"left as it was: {words}", file=sys.stderr)
    sys.exit(0 if made else 1)


def with_figures(page: Path, name: str, lines: Sequence[str]) -> str:
    """The page with these lines between its marks of that name. Raises NoPlace."""
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: written by make plots -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise NoPlace(f"{page}: lacks the marks {begin.strip()} and {end}")
    return before + begin + "\n".join(lines) + "\n" + end + after


if __name__ == "__main__":
    main()
