"""The console's page of one lead."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def served(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[Served]:
    acme = await make_tenant(conn, simple_reps(2), CATCH_ALL, name="acme", zone="Asia/Shanghai")
    await acme.accept([lead(1)])
    await settle(a_drain(connections), acme.tenant_id)
    async with serving_console(connections, redis_url) as running:
        yield running


@pytest.mark.parametrize(("language", "title"), [("en", "Timeline"), ("zh", "时间线")])
async def test_the_timeline_is_there_once(served: Served, conn: asyncpg.Connection, language: str, title: str) -> None:
    number = await conn.fetchval("select lead_id from lead")
    async with served.browser(await make_token(conn), language) as browser:
        page = await browser.get(f"/leads/{number}")
    assert page.status == 200
    assert [one.text.strip() for one in page.all("h2", id="h-timeline")] == [title]
    assert [one.text for one in page.tags if one.text.strip() == title and one.name in ("h3", "li", "span")] == []


async def test_what_rules_compare_is_there_and_contacts_in_it_are_masked_where_the_token_may_not_see_them(
    served: Served, conn: asyncpg.Connection
) -> None:
    """A rule for budgets decides by an attribute: without it on the page nobody can see why."""
    said = '{"Budget (EUR)": "250000", "note": "<b>call</b> +49 711 5500001", "parts": [1, 2]}'
    tenant_id = await conn.fetchval("select tenant_id from tenant where name = 'acme'")
    await Tenancy(conn, tenant_id).accept([lead(3, attributes=said)])
    number = await conn.fetchval("select lead_id from lead where external_id = 'e3'")
    async with served.browser(await make_token(conn)) as browser:
        page = await browser.get(f"/leads/{number}")
    facts = dict(zip([one.text for one in page.all("dt")], [one.text for one in page.all("dd")], strict=True))
    assert (facts["Budget (EUR)"], facts["parts"]) == ("250000", "[1,2]")
    assert facts["note"] == "<b>call</b> +49 711 5500001"
    async with served.browser(await make_token(conn, role=TokenRole.VIEWER)) as browser:
        page = await browser.get(f"/leads/{number}")
    assert "250000" in page.words and "5500001" not in page.words


async def test_an_address_that_was_typed_wrong_says_what_an_id_looks_like_and_where_it_is_found(
    served: Served, conn: asyncpg.Connection
) -> None:
    for language, expected in (
        ("en", {"leads": "such as 4711", "imports": "Imports lists them", "events": "evt_1042_17"}),
        ("zh", {"leads": "4711", "imports": "12", "events": "evt_1042_17"}),
    ):
        async with served.browser(await make_token(conn), language) as browser:
            for path, words in expected.items():
                for wrong in ("abc", "999999", "9" * 30):
                    answer = await browser.get(f"/{path}/{wrong}")
                    assert (answer.status, words in answer.words) == (404, True), answer.words
                    assert "/v1/" not in answer.words
                    assert "is not a valid" not in answer.words, "said in English, for users of the API"
            for path, status in (("/events/endpoints/abc", 404), ("/rules/versions/abc", 404)):
                answer = await browser.get(path)
                assert (answer.status, "/v1/" in answer.words) == (status, False), answer.words


@pytest.mark.parametrize(
    ("language", "no_page", "no_why", "no_rep"),
    [("en", "the menu has all pages", "say why", "there is no such rep"), ("zh", "菜单", "请说明原因", "没有这个销售")],
)
async def test_errors_are_said_in_words_of_the_page(
    served: Served, conn: asyncpg.Connection, language: str, no_page: str, no_why: str, no_rep: str
) -> None:
    tenant_id = await conn.fetchval("select tenant_id from tenant where name = 'acme'")
    await Tenancy(conn, tenant_id).accept([lead(2)])
    number = await conn.fetchval("select lead_id from lead where external_id = 'e2'")
    async with served.browser(await make_token(conn), language) as browser:
        page = await browser.get(f"/leads/{number}")
        for answer, status, words in (
            (await browser.get("/nothing"), 404, no_page),
            (await browser.send(page, f"/leads/{number}/park", why=" "), 422, no_why),
            (await browser.send(page, f"/leads/{number}/assign", to="r999", note=""), 404, no_rep),
        ):
            assert (answer.status, words in answer.words) == (status, True), answer.words
            assert not any(one in answer.words for one in ("openapi", "`str`", "lead-router"))


async def test_an_action_on_a_lead_in_no_state_says_so_and_not_that_there_is_no_such_lead(
    served: Served, conn: asyncpg.Connection
) -> None:
    tenant_id = await conn.fetchval("select tenant_id from tenant where name = 'acme'")
    await Tenancy(conn, tenant_id).accept([lead(2)])
    number = await conn.fetchval("select lead_id from lead where external_id = 'e2'")
    async with served.browser(await make_token(conn)) as browser:
        page = await browser.get(f"/leads/{number}")
        await conn.execute("delete from lead_pool where lead_id = $1", number)
        answer = await browser.send(page, f"/leads/{number}/assign", to="r001", note="")
    assert f"lead {number} is in no state; run lead-router audit" in answer.words, answer.words


@pytest.mark.parametrize(("language", "no_rep"), [("en", "there is no rep 'r999'"), ("zh", "没有销售 'r999'")])
async def test_a_handover_that_cannot_be_says_so_without_addresses_of_the_api(
    served: Served, conn: asyncpg.Connection, language: str, no_rep: str
) -> None:
    async with served.browser(await make_token(conn), language) as browser:
        for asked, words in (("to=r999", no_rep), ("to=r002&lead=abc", "4711")):
            page = await browser.get(f"/reps/r001/handover?way=rep&{asked}")
            [said] = [one.text for one in page.tags if one.attributes.get("role") == "alert"]
            assert (page.status, words in said, "/v1/" in page.text) == (404, True, False), said
