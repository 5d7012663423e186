"""Files of the repository that code makes: written, or compared with what is committed."""

import sys
from collections.abc import Collection, Mapping
from pathlib import Path


def write_or_compare(made: Mapping[Path, str], command: str, *, check: bool, surplus: Collection[Path] = ()) -> int:
    """Writes the files (UTF-8) and removes the `surplus` ones, which are made no more. Returns the exit code.

    With `check` it changes nothing, and returns 1 when any of them is out of date: standard error names them and the
    `command` that writes them.
    """
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check:
        names = sorted(path.name for path in (*stale, *surplus))
        if names:
            print(f"{', '.join(names)}: out of date; run: {command}", file=sys.stderr)
        return 1 if names else 0
    for path in surplus:
        path.unlink()
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
    return 0
