"""The embedded servers are shared, outlive no command, and lose nothing, whoever is killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio as redis

from ops.embedded.embedded import EmbeddedError, embedded, stopped
from ops.embedded.urls import Urls
from tests.support import connected, until

COMMAND = """
import asyncio, sys
from functools import partial
from pathlib import Path
from ops.embedded.embedded import embedded

async def main():
    async with embedded(Path(sys.argv[1]), linger_s=0.3) as urls:
        print(urls.database, urls.redis, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture
async def data_dir(reachable_folder: Path) -> AsyncIterator[Path]:
    folder = reachable_folder / uuid.uuid4().hex[:8]
    yield folder
    await stopped(folder)
    _remove(folder)


def _remove(data_dir: Path) -> None:
    data = data_dir / "postgres"
    if data.is_symlink():
        shutil.rmtree(data.resolve().parent)
    shutil.rmtree(data_dir)


class Command:
    """A command that uses the servers until told to end."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, data_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=Path(__file__).parents[2],
        )

    async def urls(self) -> Urls:
        assert self.process.stdout
        line = await asyncio.to_thread(self.process.stdout.readline)
        database, redis_url = line.decode().split()
        return Urls(database, redis_url)

    def end(self, number: int | None = None) -> None:
        assert self.process.stdin and self.process.stdout
        if number is not None:
            os.killpg(self.process.pid, number)
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def command(data_dir: Path) -> Iterator[Command]:
    user = Command(data_dir)
    yield user
    user.end()


def running(data_dir: Path) -> dict[str, psutil.Process]:
    """The keeper and the servers' first processes, by name."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(data_dir / "postgres") in words and "-D" in words:
            found["postgres"] = process
        elif str(data_dir) in words and "ops.embedded.keeper" in words:
            found["keeper"] = process
        elif str(data_dir / "run" / "valkey.sock") in " ".join(words):
            found["valkey"] = process
    return found


async def is_dead(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def nothing_runs(data_dir: Path) -> None:
    async def gone() -> bool:
        return not running(data_dir)

    await until(gone, f"no process of {data_dir}")


async def write(url: str) -> None:
    async with connected(url) as conn:
        await conn.execute("create table kept as select 7 as seven")


async def read(url: str) -> int:
    async with connected(url) as conn:
        return int(await conn.fetchval("select seven from kept"))


async def started_at(url: str) -> object:
    async with connected(url) as conn:
        return await conn.fetchval("select pg_postmaster_start_time()")


async def test_commands_that_start_together_share_one_pair_of_servers(data_dir: Path) -> None:
    commands = [Command(data_dir) for _ in range(4)]
    urls = [await command.urls() for command in commands]
    assert len({await started_at(u.database) for u in urls}) == 1
    first, *others = commands
    first.end()
    assert await started_at(urls[1].database)
    for other in others:
        other.end()
    await nothing_runs(data_dir)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_a_command_that_is_killed_leaves_nothing_running_and_its_data_whole(
    data_dir: Path, command: Command, number: int
) -> None:
    await write((await command.urls()).database)
    assert set(running(data_dir)) == {"keeper", "postgres", "valkey"}
    command.end(number)
    await nothing_runs(data_dir)
    async with embedded(data_dir, linger_s=0) as urls:
        assert await read(urls.database) == 7


async def test_servers_die_with_a_killed_keeper_and_the_next_command_finds_its_data(
    data_dir: Path, command: Command
) -> None:
    await write((await command.urls()).database)
    keeper = running(data_dir)["keeper"]
    keeper.kill()
    await until(partial(is_dead, keeper), "the keeper is dead")
    async with embedded(data_dir, linger_s=0) as urls:
        assert await read(urls.database) == 7
    command.end()
    await nothing_runs(data_dir)


async def test_a_killed_server_comes_back_while_commands_use_it(data_dir: Path, command: Command) -> None:
    urls = await command.urls()
    await write(urls.database)
    for name in ("postgres", "valkey"):
        running(data_dir)[name].kill()

    async def back() -> bool:
        client = redis.from_url(str(urls.redis))
        try:
            return await read(urls.database) == 7 and bool(await client.ping())
        except (OSError, asyncpg.PostgresError, redis.ConnectionError):
            return False
        finally:
            await client.aclose()

    await until(back, "both servers answer again")


async def test_a_command_that_arrives_while_the_servers_leave_gets_servers(data_dir: Path) -> None:
    async def use(times: int) -> None:
        for _ in range(times):
            async with embedded(data_dir, linger_s=0) as urls:
                assert await started_at(urls.database)
            await stopped(data_dir)

    await asyncio.gather(*(use(3) for _ in range(3)))


async def test_a_process_number_that_now_belongs_to_another_program_does_not_stop_the_start(
    data_dir: Path,
) -> None:
    async with embedded(data_dir, linger_s=0) as urls:
        await write(urls.database)
    await stopped(data_dir)
    bystander = subprocess.Popen(["sleep", "600"], user=(data_dir / "postgres").stat().st_uid)
    stale = data_dir / "postgres" / "postmaster.pid"
    stale.write_text(f"{bystander.pid}\n{data_dir / 'postgres'}\n1\n5432\n{data_dir / 'run'}\n\n0 0\nready\n")
    async with embedded(data_dir, linger_s=0) as urls:
        assert await read(urls.database) == 7
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


async def test_servers_leave_when_their_folder_is_removed(data_dir: Path, command: Command) -> None:
    await command.urls()
    data_dir.rename(data_dir.with_name(f"{data_dir.name}-moved"))
    await nothing_runs(data_dir)
    shutil.rmtree(data_dir.with_name(f"{data_dir.name}-moved"))


async def test_data_of_another_major_version_is_refused_with_the_way_out(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 12.*pg_dump"):
        await embedded(data_dir).__aenter__()


async def test_a_failed_start_says_why_and_hurts_nobody(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start.*servers\.log"):
        await embedded(data_dir, {"shared_buffers": "nonsense"}).__aenter__()
    async with embedded(data_dir, linger_s=0) as urls:
        assert await started_at(urls.database)


@pytest.mark.parametrize("name", ["far" * 30, "with space, and comma", "字"])
async def test_any_path_will_do(data_dir: Path, name: str) -> None:
    folder = data_dir / name
    async with embedded(folder, linger_s=0) as urls:
        assert await started_at(urls.database)
    await stopped(folder)


async def test_a_private_folder_stays_private_and_works_also_for_root(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    folder = data_dir / "inside"
    async with embedded(folder, linger_s=0) as urls:
        await write(urls.database)
    await stopped(folder)
    assert data_dir.stat().st_mode & 0o777 == 0o700
    async with embedded(folder, linger_s=0) as urls:
        assert await read(urls.database) == 7
    await stopped(folder)
    _remove(folder)
