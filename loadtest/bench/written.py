"""What was measured as a file, with where and when: `build/bench.json` and `build/peers.json`."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.embedded.server import postgres_major


def write_documents(output: Path, documents: Sequence[Mapping[str, object]], quick: bool) -> None:
    """Writes them, each with the machine, the date (UTC) and whether the run was a quick one.

    Called after each measure, so that a run that is stopped on its way has written what it saw.
    """
    where = {"quick": quick, "machine": machine(), "on": datetime.now(UTC).date().isoformat()}
    output.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**document, **where} for document in documents]
    output.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> str:
    """Processor, cores, versions and durability, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, "
        f"embedded PostgreSQL {postgres_major()}, durable commits"
    )
