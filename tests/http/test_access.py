"""Who gets in, and who does not: each operation, each role, and tokens of others."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.api.operations import api_operations
from ops.cli.commands import tokens as tokens_command
from router.domain.access import MAY, Token, TokenKey, TokenRole, WrittenToken, parse_token
from router.http.api import ExposedWithoutToken
from router.http.failed_attempts import PER_MINUTE
from router.http.operations import OpenedBy, Operation
from router.store.connections.connections import Connections
from router.store.tokens import find_token
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.support import connected, until
from tests.world import make_tenant, simple_reps

OPERATIONS = [one for one in api_operations() if one.opened_by is None]
# Who adds to these lets the whole world in: the operation has to find out itself who asks.
OPENED_WITHOUT_TOKEN = {
    "post_form": OpenedBy.FORM_KEY,
    "form_preflight": OpenedBy.FORM_KEY,
    "post_webhook": OpenedBy.SIGNATURE,
}


@pytest.fixture
async def api(connections: Connections) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        yield running


def address(operation: Operation) -> str:
    """Its path, with something that is not there for each part that varies."""
    return re.sub(r"\{\w+\}", "999999999", operation.path)


async def test_no_operation_answers_without_a_token_that_holds(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    expired = await make_token(conn, tenant.tenant_id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    unknown = str(WrittenToken(tenant.tenant_id, "0123abcd", "x" * 43))
    answered = []
    for operation in OPERATIONS:
        async with serving_api(connections) as api:  # a new one: who fails too often is kept away
            for token in ("", "lr_nonsense", unknown, expired, expired[:-1] + "!"):
                reply = await api.ask(operation.method, address(operation), token=token)
                problem = reply.kind == "application/problem+json"
                if not (reply.status == 401 and problem and reply.headers["WWW-Authenticate"].startswith("Bearer")):
                    answered.append((operation.id, token, reply))
    assert not answered


def test_without_a_token_only_these_operations_open_with_a_key_of_their_own() -> None:
    open_ones = {one.id: one for one in api_operations() if one.opened_by is not None}
    assert {id_: one.opened_by for id_, one in open_ones.items()} == OPENED_WITHOUT_TOKEN
    assert all("{key}" in one.path and one.permission is None and not one.of_tenant for one in open_ones.values())


async def test_no_key_or_an_invented_one_opens_nothing(api: Api, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    for operation in api_operations():
        if operation.opened_by is not None:
            for key in ("999999999", f"lrs_{tenant.tenant_id}_{'x' * 22}", token, "%00", "lrs_99999999999_x"):
                for shown in ("", token):
                    path = operation.path.replace("{key}", key)
                    reply = await api.ask(operation.method, path, token=shown)
                    assert reply.status == 404, (operation.id, key, reply)


@pytest.mark.parametrize("role", list(TokenRole))
async def test_a_role_can_do_what_it_may_and_nothing_else(api: Api, conn: asyncpg.Connection, role: TokenRole) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id, role, rep_id="r001" if role is TokenRole.REP else None)
    for operation in OPERATIONS:
        # Of reps a rep's token reaches its own one.
        own = operation.path.replace("{rep}", "r001") if role is TokenRole.REP else operation.path
        path = address(replace(operation, path=own))
        reply = await api.ask(operation.method, path, token=token)
        allowed = (operation.permission is None or operation.permission in MAY[role]) and not operation.of_all
        assert (reply.status != 403) == allowed, (operation.id, reply)
        assert reply.status not in (401, 500), (operation.id, reply)


async def test_a_token_sees_its_tenant_only(api: Api, conn: asyncpg.Connection) -> None:
    own = await make_tenant(conn, simple_reps(1), name="own")
    await make_tenant(conn, simple_reps(1), name="foreign")
    token = await make_token(conn, own.tenant_id)
    answers = set()
    for operation in OPERATIONS:
        if operation.of_tenant:
            for other in ("foreign", "nowhere"):
                reply = await api.ask(operation.method, f"{address(operation)}?tenant={other}", token=token)
                assert reply.status == 403, (operation.id, reply)
                answers.add(reply.document["detail"])
    assert len(answers) == 1, "it can be told from the answer which tenants there are"


async def test_a_token_for_all_tenants_names_one(api: Api, conn: asyncpg.Connection) -> None:
    await make_tenant(conn, simple_reps(1), name="acme")
    token = await make_token(conn)
    assert (await api.get("/v1/token?tenant=acme", token=token)).document["tenant"] == "acme"
    assert (await api.get("/v1/token?tenant=nobody", token=token)).status == 404
    assert (await api.get("/v1/token", token=token)).document["tenant"] is None


async def test_a_revoked_token_opens_nothing_within_seconds(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), name="acme")
    token = await make_token(conn, tenant.tenant_id)
    assert (await api.get("/v1/token", token=token)).status == 200
    shown = parse_token(token)
    assert shown is not None
    result = await CommandLine(tokens_command, database_url).run("revoke", shown.token_id, "--why", "left")
    assert result.exit_code == 0, result.output

    async def refused() -> bool:
        return (await api.get("/v1/token", token=token)).status == 401

    await until(refused, "the revoked token is refused")
    again = await CommandLine(tokens_command, database_url).run("revoke", shown.token_id)
    assert again.exit_code == 1
    assert "still holds" in again.output


async def test_a_created_token_is_shown_once_and_stored_nowhere(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1), name="acme")
    line = CommandLine(tokens_command, database_url)
    result = await line.run("create", "website", "--tenant", "acme", "--role", "intake", "--expires-in", "2d")
    assert result.exit_code == 0, result.output
    token = result.output.split()[0]
    found = (await api.get("/v1/token", token=token)).document
    assert (found["name"], found["role"], found["may"]) == ("website", "intake", ["hand in leads"])
    secret = token.rpartition("_")[2]
    listed = await line.run("list", "--json")
    assert secret not in listed.output
    changes = [str(tuple(row)) for row in await conn.fetch("select * from change")]
    assert any("website: intake" in change for change in changes)
    assert not any(secret in change for change in changes)
    stored = await conn.fetch("select * from token")
    assert secret not in str([tuple(row) for row in stored])


@pytest.mark.parametrize(
    "words",
    [
        ("create", "x", "--role", "intake"),
        ("create", "x", "--role", "intake", "--tenant", "acme", "--all-tenants"),
        ("create", "x", "--role", "rep", "--tenant", "acme"),
        ("create", "x", "--role", "intake", "--tenant", "acme", "--rep", "r001"),
        ("create", "x", "--role", "king", "--tenant", "acme"),
        ("create", " ", "--role", "intake", "--tenant", "acme"),
        ("create", "a\nb", "--role", "intake", "--tenant", "acme"),
        ("create", "x", "--role", "intake", "--tenant", "acme", "--expires-in", "soon"),
    ],
)
async def test_what_makes_no_token_is_refused_with_the_reason(
    conn: asyncpg.Connection, database_url: str, words: tuple[str, ...]
) -> None:
    await make_tenant(conn, simple_reps(1), name="acme")
    result = await CommandLine(tokens_command, database_url).run(*words)
    assert result.exit_code == 2, result.output
    assert await conn.fetchval("select count(*) from token") == 0


async def test_the_api_is_not_exposed_before_there_is_a_token(
    connections: Connections, conn: asyncpg.Connection, database_url: str
) -> None:
    with pytest.raises(ExposedWithoutToken, match="tokens create"):
        async with serving_api(connections, host="0.0.0.0"):
            pass
    await make_token(conn)
    async with serving_api(connections, host="0.0.0.0") as api:
        assert (await api.get("/livez", token="")).status == 200


async def test_known_tokens_open_while_the_database_is_away(
    api: Api, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token, other = await make_token(conn, tenant.tenant_id), await make_token(conn, tenant.tenant_id)
    assert (await api.get("/v1/token", token=token)).status == 200

    async def away(*_: object) -> None:
        raise ConnectionRefusedError("away")

    monkeypatch.setattr("router.http.api.find_token", away)
    monkeypatch.setattr("router.http.api.tenant_numbered", away)
    monkeypatch.setattr("router.http.recent.monotonic", lambda: asyncio.get_running_loop().time() + 600)
    assert (await api.get("/v1/token", token=token)).status == 200
    unknown = await api.get("/v1/token", token=other)
    assert (unknown.status, unknown.headers["Retry-After"]) == (503, "1")


async def test_a_broken_certificate_is_named_at_the_start(connections: Connections, tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.write_text("nothing")
    with pytest.raises(Exception, match="LEAD_ROUTER_API_TLS_CERTIFICATE"):
        async with serving_api(connections, tls_certificate=certificate, tls_key=certificate):
            pass


async def test_last_use_is_noted_for_who_cleans_up_old_tokens(
    api: Api, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    from router.http.api import TokenUsesService

    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    await api.get("/v1/token", token=token)
    uses = TokenUsesService(api.service.access, connections)
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from token for update")
        await uses.once(None)  # type: ignore[arg-type]
    assert await conn.fetchval("select used_at from token") is None
    await api.get("/v1/token", token=token)
    await uses.once(None)  # type: ignore[arg-type]
    assert await conn.fetchval("select used_at > now() - interval '1 minute' from token")


async def test_guessed_tokens_and_keys_are_refused_before_the_database_is_asked(
    api: Api, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    assert (await api.get("/v1/token", token=token)).status == 200
    asked = 0

    async def find(conn: asyncpg.Connection, shown: TokenKey) -> Token | None:
        nonlocal asked
        asked += 1
        return await find_token(conn, shown)

    monkeypatch.setattr("router.http.api.find_token", find)
    # However slow the machine is, and whenever this runs, no other minute begins in between, with new attempts.
    monkeypatch.setattr("router.http.failed_attempts._MINUTE_S", 1e9)
    # The real id of a token with a wrong secret costs as much as an invented one.
    known = parse_token(token)
    assert known
    guesses = [str(WrittenToken(tenant.tenant_id, known.token_id, f"{number:043}")) for number in range(PER_MINUTE)]
    replies = [await api.get("/v1/token", token=guess) for guess in [*guesses, *guesses[:20]]]
    assert {reply.status for reply in replies} <= {401, 429}
    over = str(WrittenToken(tenant.tenant_id, "0123abcd", "y" * 43))
    fresh = [str(WrittenToken(tenant.tenant_id, "0123abcd", f"{number:042}y")) for number in range(PER_MINUTE)]
    refused = [await api.get("/v1/token", token=guess) for guess in [*fresh, over]]
    assert asked == PER_MINUTE
    last = refused[-1]
    assert last.status == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert (await api.post(f"/v1/forms/lrs_{tenant.tenant_id}_{'x' * 22}", token="")).status == 429
    assert (await api.get("/v1/token", token=token)).status == 200
