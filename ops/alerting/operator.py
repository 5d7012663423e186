"""The rules of Prometheus as the Prometheus Operator takes them: one PrometheusRule of all files. Pure."""

from collections.abc import Iterable, Iterator

_HEAD = """\
# The rules of config/prometheus/rules for the Prometheus Operator; written by `make alerts`, never by hand.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: lead-router
  labels: {app.kubernetes.io/name: lead-router}
spec:
  groups:
"""
_GROUPS = "groups:"


def prometheus_rule(files: Iterable[str]) -> str:
    """The manifest (YAML) with the groups of these files (YAML), comments and all.

    Raises ValueError for a file that has anything beside `groups` at the top level.
    """
    return _HEAD + "".join(f"{line}\n" for text in files for line in _groups(text))


def _groups(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            if line.rstrip() != _GROUPS:
                raise ValueError(f"a file of rules has only groups at the top level, not: {line}")
            inside = True
        elif inside:
            yield f"  {line}" if line else line
