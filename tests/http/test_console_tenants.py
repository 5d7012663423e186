"""The console for a token of all tenants: pages that are about one ask which, and keep what was asked."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from yarl import URL

from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import make_tenant, simple_reps

GROUP = "a&b/c?"


@pytest.fixture
async def served(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[Served]:
    acme = await make_tenant(conn, simple_reps(1), name="acme")
    await make_tenant(conn, simple_reps(1), name="other")
    await acme.roster(f"rep_id,name,available,groups\nr001,Ann,yes,{GROUP}".encode())
    async with serving_console(connections) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "said"),
    [("/leads?state=parked&source=a%26b&tenant=", "No lead matches"), ("/groups/a%26b%2Fc%3F", GROUP)],
)
async def test_the_tenant_is_added_to_the_address(
    served: Served, conn: asyncpg.Connection, path: str, said: str
) -> None:
    async with served.browser(await make_token(conn)) as browser:
        asked = await browser.get(URL(served.url.rstrip("/") + path, encoded=True))
        [link] = [one.attributes["href"] for one in asked.all("a") if one.text == "acme"]
        page = await browser.get(URL(served.url.rstrip("/") + link, encoded=True))
        assert (page.status, said in page.words) == (200, True), (link, page.words)
        for field in page.all("input", id="source"):
            assert field.attributes["value"] == "a&b", link


async def test_a_form_without_a_tenant_is_refused(served: Served, conn: asyncpg.Connection) -> None:
    async with served.browser(await make_token(conn)) as browser:
        [form_token] = {one.attributes["value"] for one in (await browser.get("/")).all("input", name="form_token")}
        form = {"form_token": form_token, "available": "no"}
        page = await browser.post("/reps/r001/available", form)
        assert (page.status, "which tenant" in page.words) == (422, True), page.words
        done = await browser.post("/reps/r001/available?tenant=acme", form)
        assert "gets no more leads" in done.text
