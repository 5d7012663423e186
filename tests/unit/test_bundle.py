"""An archive is written once and whole, or not at all; one part that fails costs no other."""

import asyncio
import io
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.bundle.archive import usual_name, write_archive
from ops.bundle.collect import Collected, NotAsked, Part, collect
from ops.bundle.log_tail import last_lines

AT = datetime(2026, 11, 28, 13, 15, tzinfo=UTC)


def test_an_archive_is_its_owners_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / usual_name(AT)
    assert path.name == "lead-router-bundle-20261128T131500Z.tar.gz"
    size = write_archive(path, {"a.json": b"{}"}, AT)
    assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (size, 0o600)
    with pytest.raises(FileExistsError):
        write_archive(path, {"b.json": b"{}"}, AT)
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        assert archive.getnames() == ["lead-router-bundle-20261128T131500Z/a.json"]
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_archive(link, {}, AT)
    assert not (tmp_path / "elsewhere").exists()


def test_an_archive_that_cannot_be_written_whole_is_not_there(tmp_path: Path) -> None:
    broken: Any = {"a.json": b"{}", "b.json": None}
    with pytest.raises(TypeError):
        write_archive(tmp_path / "x.tar.gz", broken, AT)
    assert list(tmp_path.iterdir()) == []


async def test_a_part_that_fails_hangs_or_does_not_heed_its_end_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.bundle.collect._CANCEL_S", 0.05)

    async def fine() -> Any:
        return {"x": 1}

    async def fails() -> Any:
        raise KeyError("x")

    async def hangs() -> Any:
        await asyncio.Event().wait()

    async def stubborn() -> Any:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async def not_asked() -> Any:
        raise NotAsked("add --log FILE")

    released = asyncio.Event()
    seen: list[Collected] = []
    works = {"fails": fails, "hangs": hangs, "stubborn": stubborn, "not_asked": not_asked, "fine": fine}
    found = await collect([Part(name, name, 0.05, work) for name, work in works.items()], seen.append)
    released.set()
    assert seen == found
    told = {one.part.name: (one.result, one.problem) for one in found}
    assert told == {
        "fails": ("failed", "KeyError: 'x'"),
        "hangs": ("failed", "it took longer than 0.05 s"),
        "stubborn": ("failed", "it took longer than 0.05 s"),
        "not_asked": ("not_asked", "add --log FILE"),
        "fine": ("collected", None),
    }


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"1\n2\n3\n", ["2", "3"]),
        (b"1\n2\n3", ["2", "3"]),
        (b"1\r\n\n\xff\n", ["", "\\xff"]),
        (b"x" * 90 + b"\n1", ["1"]),
        (b"x" * 900, []),
    ],
)
def test_the_end_of_a_log_is_read_however_long_and_broken_it_is(
    tmp_path: Path, content: bytes, lines: list[str]
) -> None:
    (tmp_path / "log").write_bytes(content)
    assert last_lines(tmp_path / "log", 2, max_bytes=64) == lines
