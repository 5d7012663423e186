"""Writes the links into the rules of Prometheus: `config/prometheus/rules/*.yml`, from the names of the alerts.

Example: `python -m ops.alerting.rules` writes them, `--check` exits with 1 when they are out of date. For your own
addresses: `python -m ops.alerting.rules --runbooks https://wiki.acme.com/lead-router --dashboards
https://grafana.acme.com --into /etc/prometheus/rules`.
"""

import argparse
import sys
from pathlib import Path

from ops.alerting.links import Bases, with_links

RULES = Path(__file__).parents[2] / "config/prometheus/rules"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    bases = Bases(options.runbooks.rstrip("/"), options.dashboards.rstrip("/"))
    made = {path: with_links(path.read_text(encoding="utf-8"), bases) for path in sorted(RULES.glob("*.yml"))}
    if options.check:
        stale = [path.name for path, text in made.items() if path.read_text(encoding="utf-8") != text]
        print(f"{', '.join(stale)}: out of date; run: make alerts" if stale else f"{len(made)} files are up to date")
        return 1 if stale else 0
    folder = options.into or RULES
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in made.items():
        (folder / path.name).write_text(text, encoding="utf-8")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.alerting.rules", description="Writes the links of alerts.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is out of date")
    parser.add_argument("--runbooks", default=Bases().runbooks, metavar="URL", help="where runbooks/ is published")
    parser.add_argument("--dashboards", default=Bases().dashboards, metavar="URL", help="where Grafana is")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write there; default: the files themselves")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
