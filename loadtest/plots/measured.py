"""What `make bench` and `make bench-peers` wrote, and how large the run was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Figures by id; none where there is no file. Raises ValueError when it is not such a file."""
    if not file.exists():
        return {}
    try:
        return {one["id"]: one for one in json.loads(file.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file}: not written by make bench: {error}") from error


def spread_of(measured: Mapping[str, Any]) -> str:
    """The spread of the runs in brackets; nothing of a single run, which has none."""
    low, high = measured["spread"]
    return f" ({low:,.0f} to {high:,.0f})" if low != high else ""


def size_of(figure: Mapping[str, Any]) -> str:
    """When and where it was measured; a quick run is called one, so that nobody takes it for a figure."""
    size = "QUICK run, small worlds: shows the form, not the speed" if figure["quick"] else "full run"
    return f"{size}; {figure['on']}; {figure['machine']}"
