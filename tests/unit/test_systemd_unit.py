"""The systemd unit: what systemd says of it, and that it fits the service."""

import re
import subprocess
from pathlib import Path

import pytest

from ops.cli.commands import COMMANDS
from router.settings.read import FILE_VARIABLE, read_settings

UNIT = Path(__file__).parents[2] / "config/systemd/lead-router.service"
TEXT = UNIT.read_text(encoding="utf-8")
PROGRAM = "/opt/lead-router/bin/lead-router"
# systemd's own measure, 0 (least) to 10: what a compromised service could still do to the machine.
MAX_EXPOSURE = "15"


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", TEXT, re.MULTILINE)


def analyzed(*words: str | Path) -> str:
    """What systemd-analyze prints; it must have nothing to object to."""
    result = subprocess.run(["systemd-analyze", *words], check=False, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    unit = tmp_path / UNIT.name
    unit.write_text(TEXT.replace(PROGRAM, "/bin/sleep"), encoding="utf-8")
    return unit


@pytest.mark.servers
def test_systemd_takes_every_line_of_the_unit(installed: Path) -> None:
    assert analyzed("verify", "--man=no", installed) == ""


@pytest.mark.servers
def test_systemd_would_object_to_a_mistyped_line(installed: Path) -> None:
    installed.write_text(installed.read_text(encoding="utf-8").replace("WatchdogSec", "WatchdogSecs"))
    assert "WatchdogSecs" in analyzed("verify", "--man=no", installed)


@pytest.mark.servers
def test_a_compromised_service_could_do_little_to_the_machine(installed: Path) -> None:
    analyzed("security", "--offline=yes", f"--threshold={MAX_EXPOSURE}", "--no-pager", installed)


def test_it_starts_a_command_that_exists_with_settings_that_exist() -> None:
    (start,) = values("ExecStart")
    program, command = start.split()
    assert program == PROGRAM and command in COMMANDS
    environment = dict(entry.split("=", 1) for entry in values("Environment"))
    assert environment.keys() == {FILE_VARIABLE}
    read_settings(environment, None)


def test_systemd_waits_for_the_stop_and_for_a_loop_that_is_only_busy() -> None:
    (stop_s,), (watchdog_s,) = values("TimeoutStopSec"), values("WatchdogSec")
    assert int(stop_s) > 2 * read_settings({}, None).supervision.stop_deadline_s
    # Signs of life come every 5 s at the latest.
    assert int(watchdog_s) >= 20
    assert (values("Type"), values("NotifyAccess"), values("Restart")) == (["notify"], ["main"], ["on-failure"])
