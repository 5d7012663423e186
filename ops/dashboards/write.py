"""Writes the dashboards of Grafana, `config/grafana/*.json`.

Example: `python -m ops.dashboards.write` writes them, `--check` exits with 1 when they are out of date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.dashboards import connections, database, drain, intake, overview, tenants
from ops.dashboards.grafana import grafana_json
from ops.dashboards.marks import MARKS

FOLDER = Path(__file__).parents[2] / "config/grafana"
BOARDS = (overview.BOARD, drain.BOARD, database.BOARD, connections.BOARD, intake.BOARD, tenants.BOARD)


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    made = {folder / f"{board.uid}.json": grafana_json(board, MARKS) for board in BOARDS}
    if "--check" in arguments:
        return _check(made, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in set(folder.glob("*.json")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _check(made: Mapping[Path, str], folder: Path) -> int:
    stale = {path.name for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    stale |= {path.name for path in set(folder.glob("*.json")) - made.keys()}
    if stale:
        print(f"{', '.join(sorted(stale))}: out of date; run: make dashboards")
        return 1
    print(f"{len(made)} dashboards are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
