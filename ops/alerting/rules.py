"""Writes the links into the rules of Prometheus, from the names of the alerts, and the same rules for Kubernetes.

Example: `python -m ops.alerting.rules` writes `config/prometheus/rules/*.yml` and
`config/kubernetes/prometheusrule.yaml`, `--check` exits with 1 when they are out of date. For your own addresses:
`python -m ops.alerting.rules --runbooks https://wiki.acme.com/lead-router --dashboards https://grafana.acme.com --into
/etc/prometheus/rules`; with `--operator` instead, the manifest goes to standard output, for `kubectl apply -f -`.
"""

import argparse
import sys
from pathlib import Path

from ops.alerting.links import Bases, with_links
from ops.alerting.operator import prometheus_rule
from ops.text.made_files import write_or_compare

_CONFIG = Path(__file__).parents[2] / "config"
RULES = _CONFIG / "prometheus/rules"
MANIFEST = _CONFIG / "kubernetes/prometheusrule.yaml"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    bases = Bases(options.runbooks.rstrip("/"), options.dashboards.rstrip("/"))
    made = {path: with_links(path.read_text(encoding="utf-8"), bases) for path in sorted(RULES.glob("*.yml"))}
    manifest = prometheus_rule(made.values())
    if options.operator:
        sys.stdout.write(manifest)
        return 0
    if options.into:
        made = {options.into / path.name: text for path, text in made.items()}
    else:
        made[MANIFEST] = manifest
    return write_or_compare(made, "make alerts", check=options.check)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.alerting.rules", description="Writes the links of alerts.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is out of date")
    parser.add_argument("--runbooks", default=Bases().runbooks, metavar="URL", help="where runbooks/ is published")
    parser.add_argument("--dashboards", default=Bases().dashboards, metavar="URL", help="where Grafana is")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write there; default: the files themselves")
    parser.add_argument(
        "--operator", action="store_true", help="write the manifest of the Prometheus Operator to standard output"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
