"""Writes the dashboards of Grafana, `config/grafana/*.json`.

Example: `python -m ops.dashboards.write` writes them, `--check` exits with 1 when they are out of date.
"""

import sys
from pathlib import Path

from ops.dashboards import connections, database, drain, intake, overview, tenants
from ops.dashboards.grafana import grafana_json
from ops.dashboards.marks import MARKS
from ops.text.made_files import write_or_compare

FOLDER = Path(__file__).parents[2] / "config/grafana"
BOARDS = (overview.BOARD, drain.BOARD, database.BOARD, connections.BOARD, intake.BOARD, tenants.BOARD)


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    made = {folder / f"{board.uid}.json": grafana_json(board, MARKS) for board in BOARDS}
    surplus = set(folder.glob("*.json")) - made.keys()
    return write_or_compare(made, "make dashboards", check="--check" in arguments, surplus=surplus)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
