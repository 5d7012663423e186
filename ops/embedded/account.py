"""Whom the embedded servers run as, and whether that account can reach what it needs.

An ordinary user runs them as itself. PostgreSQL refuses root, so root runs them as the owner of the data, and
new data belongs to the system user `lead-router`, which is created when it is missing. Permissions of folders
that are not ours are never changed: what the account cannot reach is placed or copied below SHARED_FOLDER.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import IO

SYSTEM_USER = "lead-router"
SHARED_FOLDER = Path("/var/lib/lead-router")
PR_SET_PDEATHSIG = 1


class EmbeddedError(Exception):
    """The embedded servers cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """Numbers of the user; `switch` = we are another user (root) and have to become this one."""

    uid: int
    gid: int
    switch: bool

    def own(self, path: Path) -> None:
        """Gives a path of ours to the account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def spawn(
        self,
        command: Sequence[str | Path],
        log: IO[bytes],
        death_signal: int = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Starts a child as this account; the kernel sends it `death_signal` when we die, however we die."""
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
            # Runs after the change of user, which would clear the signal.
            preexec_fn=_die_with_parent(os.getpid(), death_signal),  # noqa: PLW1509 - we have one thread
        )

    def reaches(self, folder: Path) -> bool:
        """Whether the account may enter the folder."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        return self._succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])

    def runs(self, program: Path) -> bool:
        """Whether the account can run the program (asked for its version)."""
        return not self.switch or self._succeeds([program, "--version"])

    def _succeeds(self, command: Sequence[str | Path]) -> bool:
        with tempfile.TemporaryFile() as log:
            try:
                return self.spawn(command, log).wait() == 0
            except OSError:
                return False


def _die_with_parent(parent: int, death_signal: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def server_account(data: Path) -> Account:
    """Whom servers on the data folder `data` (which may not exist yet) run as. Raises EmbeddedError."""
    me = os.geteuid()
    owner = data.stat() if data.exists() else None
    if me != 0:
        if owner and owner.st_uid != me:
            raise EmbeddedError(
                f"{data} belongs to user {owner.st_uid} and we are {me}: run as that user, or choose another --data-dir"
            )
        return Account(me, os.getegid(), switch=False)
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, switch=True)
    user = _system_user()
    return Account(user.pw_uid, user.pw_gid, switch=True)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        return pwd.getpwnam(SYSTEM_USER)  # also when another process was faster
    except FileNotFoundError:
        reason = "there is no useradd"
    except KeyError:
        reason = made.stderr.strip()
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and its system user {SYSTEM_USER!r} could not be made: {reason}. "
        f"Create it, or run as another user, or set LEAD_ROUTER_DATABASE_URL."
    )


def shared_folder(name: str) -> Path:
    """A folder below SHARED_FOLDER, which every account can reach. Raises EmbeddedError."""
    folder = SHARED_FOLDER / name
    try:
        for part in (SHARED_FOLDER, folder):
            part.mkdir(mode=0o755, exist_ok=True)
            part.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(f"{folder} cannot be created: {error}") from error
    return folder


def programs_of(package: str, program: str, account: Account) -> Path:
    """The folder of an installed package's `program`, or if the account cannot run it, of a copy made once.

    Raises EmbeddedError when neither can be run.
    """
    package_files = distribution(package)
    files = [file for file in package_files.files or () if ".." not in file.parts and file.suffix != ".h"]
    place = next((file for file in files if file.name == program), None)
    if place is None:
        raise EmbeddedError(f"the package {package} brings no {program} for this platform")
    if account.runs(installed := Path(str(place.locate()))):
        return installed.parent
    copy = shared_folder("programs") / f"{package}-{package_files.version}"
    if not account.runs(copy / place):
        fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
        fresh.chmod(0o755)
        for file in files:
            _copy(Path(str(file.locate())), fresh / file)
        shutil.rmtree(copy, ignore_errors=True)
        fresh.rename(copy)
    if not account.runs(copy / place):
        raise EmbeddedError(f"user {account.uid} can run neither {installed} nor its copy {copy / place}")
    return (copy / place).parent


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
