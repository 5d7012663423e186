"""Requests that nobody thought of, from the description of the API: no 5xx, and no answer that it does not describe."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from ops.api.means import Means
from ops.api.operations import API_VERSION, api_operations
from router.http.openapi import openapi
from router.http.upload import MULTIPART
from router.store.connections.connections import Connections
from router.store.sources import NewSource, add_source
from tests.http.support import make_token, serving_api
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

EXAMPLES = 8
# What is wrong may also be too long: then nobody reads what else is wrong with it.
REFUSED = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428]
SEED = 20261128

# What a schema cannot say is refused, too: a time zone that there is not, a file that holds no rules.
_LEFT_OUT: list[Any] = [positive_data_acceptance]


@pytest.mark.timeout(180)
async def test_no_request_makes_a_fault_or_an_answer_that_is_not_described(
    connections: Connections, conn: asyncpg.Connection, redis_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3), name="acme")
    await tenant.accept([lead(number, phone=f"+86138000000{number:02}") for number in range(1, 21)])
    await settle(a_drain(connections), tenant.tenant_id)
    token = await make_token(conn, tenant.tenant_id)
    other = (await make_token(conn, tenant.tenant_id)).split("_")[2]
    found = await conn.fetchrow("select lead_id, customer_id from lead order by lead_id limit 1")
    assert found is not None
    there = {"lead": str(found[0]), "customer": str(found[1]), "rep": "r001", "version": "1", "token": other}
    definition = "form: {origins: 'https://www.example.com'}"
    there["key"] = await add_source(conn, tenant.tenant_id, NewSource("page", "form", definition), "test")
    operations = api_operations(Means(redis_url))
    async with serving_api(connections, operations) as api:
        described = json.loads(json.dumps(openapi(operations, API_VERSION)))
        problems, taken = await asyncio.to_thread(_fuzzed, described, api.url, token, there)
    assert not problems, "\n\n".join(problems)
    assert len(taken) >= len(operations) / 3, f"most requests were refused, so little was looked at; taken: {taken}"


def _fuzzed(described: dict[str, Any], url: str, token: str, there: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """What was wrong, and the operations that took at least one request."""
    refused = {"negative_data_rejection": {"expected-statuses": REFUSED}}
    config = SchemathesisConfig.from_dict(
        {"base-url": url, "headers": {"Authorization": f"Bearer {token}"}, "checks": refused}
    )
    schema = schemathesis.openapi.from_dict(described, config=config)
    problems: list[str] = []
    taken: set[str] = set()
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        known = {one: there[one] for one in there if f"{{{one}}}" in operation.path}
        for mode, path in _rounds(known):
            strategy = operation.as_strategy(generation_mode=mode, path_parameters=path or None)
            try:
                _run(strategy, token, taken, _left_out(described, operation))
            except Unsatisfiable:
                # Nothing about it can be wrong.
                continue
            except BaseExceptionGroup as error:
                problems.append(f"{operation.label} ({mode.value}): {error}"[:1500])
                break
    return problems, taken


def _left_out(described: dict[str, Any], operation: Any) -> list[Any]:
    """Where some of many may be refused, the answer to wrong ones is 207 with their lines; and what is sent as text is
    a text, whatever it looks like.
    """
    about = described["paths"][operation.path][operation.method.lower()]
    sent = about.get("requestBody", {}).get("content", {})
    # A form has texts and files only.
    any_text = MULTIPART in sent or any(one["schema"] == {"type": "string"} for one in sent.values())
    return [*_LEFT_OUT, negative_data_rejection] if any_text or "207" in about["responses"] else _LEFT_OUT


def _rounds(known: dict[str, str]) -> Iterator[tuple[GenerationMode, dict[str, str]]]:
    """With anything in the path, and with what is there."""
    for mode in GenerationMode:
        yield mode, {}
        if known:
            yield mode, known


def _run(strategy: Any, token: str, taken: set[str], left_out: list[Any]) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def run(case: Case[Any]) -> None:
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=left_out)
        if answer.status_code < 300:
            taken.add(case.operation.label)

    run()
