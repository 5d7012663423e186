"""A server of Debian's as a child of ours: its log, asked until it is ready, ended with us however we end."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from loadtest.until import until
from ops.embedded.account import server_account

_READY_S = 60.0
_STOP_S = 10.0


class ProgramFailed(Exception):
    """A program is not installed, or ended; the message says what to do, or what its log has."""


def found(program: str) -> Path:
    """Where the program is; Debian's package has the same name. Raises ProgramFailed."""
    path = shutil.which(program, path="/usr/bin:/usr/local/bin:/bin:/usr/sbin")
    if path is None:
        raise ProgramFailed(
            f"{program} is not installed: apt-get install --no-install-recommends prometheus prometheus-alertmanager "
            f"(Debian 12 or later), or use config/compose/compose.yaml, which needs only Docker"
        )
    return Path(path)


def account_owns(folder: Path) -> None:
    """Makes the folder one in which the servers may write: root's run as another user."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    server_account(folder / "data").own(folder)


@asynccontextmanager
async def running(program: str, folder: Path, url: str, *options: str) -> AsyncIterator[None]:
    """The program until the end of the block, once `url`/-/ready answers 200. `folder` is of `account_owns`.

    Raises ProgramFailed.
    """
    path, log_file = found(program), folder / "log"
    with log_file.open("ab") as log:
        process = server_account(folder / "data").spawn([path, *options], log)
    try:

        async def ready() -> bool:
            if process.poll() is not None:
                raise ProgramFailed(f"{program} ended with {process.returncode}:\n{_last_lines(log_file)}")
            return await _answers(f"{url}/-/ready")

        await until(ready, f"{program} is ready", _READY_S, every_s=0.1)
        yield
    finally:
        await _ended(process)


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        await asyncio.to_thread(process.wait, _STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_lines(log_file: Path, most: int = 10) -> str:
    lines: Sequence[str] = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-most:])
