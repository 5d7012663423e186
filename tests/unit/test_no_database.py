"""Without a configured database a command must not make one and work on it: somebody forgot a setting."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.embedded.servers import database_shown, no_database
from router.settings.model import Settings

COMMANDS = (
    "status",
    "status --json",
    "audit",
    "blockers",
    "doctor",
    "migrate --check",
    "drain --until-idle",
    "tenants list",
    "tenants events acme",
    "reps list --tenant acme",
    "reps import FILE --tenant acme",
    "reps set r1 --tenant acme --available no",
    "groups --tenant acme",
    "rules list --tenant acme",
    "rules apply RULES --tenant acme",
    "rules diff RULES --tenant acme",
    "leads import LEADS --tenant acme",
    "leads import LEADS --tenant acme --check",
    "leads list --tenant acme",
    "customers check LEADS --tenant acme",
    "why 1",
    "assign 1 --to r1",
    "end 1 --as won",
    "park 1 --why x",
    "unpark 1",
    "retry --tenant acme",
    "pause acme --for 30m --why x",
    "resume acme",
    "cleanup",
    "changes",
    "connections list",
    "tokens list",
    "sources list --tenant acme",
    "webhooks list --tenant acme",
    "capacity",
    "maintenance list",
    "maintenance run -- true",
    "serve",
)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_forgotten_setting_is_said_and_no_database_is_made(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEAD_ROUTER_DATABASE_URL", "LEAD_ROUTER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    files = {
        "FILE": "rep_id,available\nr1,yes\n",
        "RULES": "rules: [{name: all, match: {}, assign_to: 'group:all'}]\n",
        "LEADS": "external_id,source,created_at\n1,web,2026-03-02T09:30:00+08:00\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    data = tmp_path / "data"
    given = [str(tmp_path / f"{word}.csv") if word in files else word for word in words.split()]
    result = CliRunner().invoke(main, ["--data-dir", str(data), *given])
    assert result.exit_code == 2, result.output
    assert f"Error: {no_database(Settings(data_dir=data))}" in result.stderr
    assert "LEAD_ROUTER_DATABASE_URL" in result.stderr and str(data) in result.stderr
    assert not data.exists()


def test_a_database_is_shown_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://router:secret@db.example/router"
    assert database_shown(Settings(database_url=url)) == "postgresql://router:***@db.example/router"
    assert database_shown(Settings(data_dir=tmp_path)) == f"embedded, in {tmp_path}"
