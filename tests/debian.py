"""Installs what tests and benchmarks need of Debian, with apt-get, where it is missing: `python -m tests.debian`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Each package with a file by which it is known to be there.
PACKAGES = {
    "postgresql-15": "usr/lib/postgresql/15/bin/postgres",
    "pgbouncer": "usr/sbin/pgbouncer",
    "redis-server": "usr/bin/redis-server",
    "faketime": "usr/bin/faketime",
    "wrk": "usr/bin/wrk",
    "prometheus": "usr/bin/promtool",
    "prometheus-alertmanager": "usr/bin/amtool",
    "systemd": "usr/bin/systemd-analyze",
    "chromium": "usr/bin/chromium",
    "fonts-noto-cjk": "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "libfaketime": "usr/lib/*-linux-gnu*/faketime/libfaketime.so.1",
}
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")


def missing() -> list[str]:
    """Packages that are not installed."""
    return [package for package, pattern in PACKAGES.items() if not any(Path("/").glob(pattern))]


def install() -> None:
    """Needs root, or sudo without a password, unless nothing is missing. Exits where there is no apt-get."""
    packages = missing()
    if not packages:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"{', '.join(packages)}: not installed, and no apt-get: run this on Debian 12, or in its image")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    # In this run level the packages' own services are not started.
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    if not _NO_CLUSTER.exists():  # PostgreSQL's package would start a server of its own
        subprocess.run([*root, "mkdir", "-p", _NO_CLUSTER.parent], check=True)
        subprocess.run([*root, "tee", _NO_CLUSTER], check=True, input=b"create_main_cluster = false\n")
    subprocess.run([*root, "apt-get", "update", "-qq"], check=True, stdin=subprocess.DEVNULL)
    options = ["-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    command = [*root, *environment, "apt-get", "install", *options, *packages]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    install()
