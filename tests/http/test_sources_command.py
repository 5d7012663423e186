"""The command for sources: what is wrong is said before anything is stored, and secrets are shown once."""

from pathlib import Path

import asyncpg
import pytest

from ops.cli.commands import sources as sources_command
from tests.command_line import CommandLine
from tests.http.doors import FORM, WEBHOOK
from tests.world import make_tenant, simple_reps

HMAC = "webhook: {scheme: hmac-sha256, signature_header: X-Signature}\n"


@pytest.fixture
async def line(conn: asyncpg.Connection, database_url: str, tmp_path: Path) -> CommandLine:
    await make_tenant(conn, simple_reps(1), name="acme")
    (tmp_path / "form.yaml").write_text(FORM)
    (tmp_path / "webhook.yaml").write_text(WEBHOOK)
    (tmp_path / "hmac.yaml").write_text(HMAC)
    (tmp_path / "wrong.yaml").write_text("form: {origins: 'http://www.example.com'}\nrenames: {}\n")
    return CommandLine(sources_command, database_url)


async def test_a_source_is_added_shown_changed_and_removed(line: CommandLine, tmp_path: Path) -> None:
    files = {name: str(tmp_path / f"{name}.yaml") for name in ("form", "webhook")}
    form = await line.json("add", "website", files["form"], "--tenant", "acme")
    assert form["path"].startswith("/v1/forms/lrs_")
    assert form["secret"] is None
    webhook = await line.run("add", "crm", files["webhook"], "--tenant", "acme")
    assert "whsec_" in webhook.output
    assert "whsec_" not in (await line.run("show", "crm", "--tenant", "acme")).output
    assert [one["source"] for one in await line.json("list", "--tenant", "acme")] == ["crm", "website"]
    shown = await line.json("show", "website", "--tenant", "acme")
    assert (shown["file"], shown["paths"][0]["path"]) == (FORM, form["path"])
    rotated = await line.json("rotate", "website", "--tenant", "acme", "--old-holds-for", "1h")
    paths = [one["path"] for one in (await line.json("show", "website", "--tenant", "acme"))["paths"]]
    assert paths == [rotated["path"], form["path"]]
    assert (await line.run("set", "website", files["form"], "--tenant", "acme", "--why", "x")).exit_code == 0
    assert (await line.run("remove", "website", "--tenant", "acme")).exit_code == 0
    assert (await line.run("remove", "website", "--tenant", "acme")).exit_code == 1


async def test_what_is_wrong_is_refused_with_the_reason_and_stores_nothing(
    line: CommandLine, tmp_path: Path, conn: asyncpg.Connection
) -> None:
    (tmp_path / "short").write_text("tooshort")
    (tmp_path / "long").write_text("a secret of the other side")
    where = ("--tenant", "acme")
    for words, said in (
        (("add", "x", str(tmp_path / "wrong.yaml"), *where), "must begin with https://"),
        (("add", "x", str(tmp_path / "wrong.yaml"), *where), "unknown field"),
        (("add", "x", str(tmp_path / "gone.yaml"), *where), "gone.yaml"),
        (("add", " ", str(tmp_path / "form.yaml"), *where), "a source's name"),
        (("add", "x", str(tmp_path / "form.yaml"), *where, "--secret-file", str(tmp_path / "long")), "a form has no"),
        (("add", "x", str(tmp_path / "hmac.yaml"), *where, "--secret-file", str(tmp_path / "short")), "16 to 500"),
        (("add", "x", str(tmp_path / "webhook.yaml"), *where, "--secret-file", str(tmp_path / "long")), "in base64"),
        (("show", "x", *where), "there is no source 'x'"),
        (("rotate", "x", *where), "there is no source 'x'"),
        (("set", "x", str(tmp_path / "form.yaml"), *where), "there is no source 'x'"),
    ):
        result = await line.run(*words)
        assert result.exit_code == 2, (words, result.output)
        assert said in " ".join(result.output.split()), (words, result.output)
        assert "tooshort" not in result.output
        assert "other side" not in result.output
    assert await conn.fetchval("select count(*) from source") == 0
    add = ("add", "theirs", str(tmp_path / "hmac.yaml"), *where, "--secret-file", str(tmp_path / "long"))
    assert "other side" not in (await line.run(*add)).output
    assert "already" in (await line.run(*add)).output
    for file in ("form", "webhook"):
        changed = await line.run("set", "theirs", str(tmp_path / f"{file}.yaml"), *where)
        assert changed.exit_code == 2, "a source becomes no other kind, and gets no secrets that do not fit"


async def test_a_preview_needs_no_tenant_and_says_what_it_did_not_check(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "body").write_text('{"contact": {"email": "A@b.de"}}')
    words = ("test", str(tmp_path / "webhook.yaml"), "--body", str(tmp_path / "body"))
    shown = await line.json(*words)
    assert (shown["signature"], shown["leads"][0]["email"]) == ("not checked", "a@b.de")
    (tmp_path / "body").write_text("{")
    assert (await line.json(*words, code=1))["rejects"][0]["pointer"] == ""
    (tmp_path / "form").write_text("your-name=Ada&website=x")
    form = await line.json("test", str(tmp_path / "form.yaml"), "--body", str(tmp_path / "form"))
    assert (form["trapped"], form["leads"]) == (True, [])
