"""The metrics of the manual; a test holds that these are the ones that the service shows."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/metrics.md"
_ROWS = re.findall(r"^\| `(lead_router_\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
METRICS: dict[str, set[str]] = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels in _ROWS}
"""Labels by metric."""
TYPES: dict[str, str] = {name: kind for name, kind, _ in _ROWS}
"""`counter`, `gauge` or `histogram` by metric."""
