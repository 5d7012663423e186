"""Where a database may be reached, as its URL says it."""

import pytest

from router.store.connections.addresses import Address, addresses_of, hosts_of


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@db/leads", [Address("db", 5432)]),
        ("postgresql://u:p%40:x@one:5433,two/leads", [Address("one", 5433), Address("two", 5432)]),
        ("postgresql://[::1]:5433/leads", [Address("::1", 5433)]),
        ("postgresql://postgres@/leads?host=/tmp/x&port=6432", [Address("/tmp/x", 6432)]),
        ("postgresql:///leads?host=one,two&port=1,2", [Address("one", 1), Address("two", 2)]),
        ("postgresql:///leads", []),
        ("postgresql://db:x/leads", []),
    ],
)
def test_every_host_of_a_url_is_tried_in_its_order(url: str, hosts: list[Address]) -> None:
    assert hosts_of(url) == hosts


async def test_a_name_is_resolved_anew_and_stays_where_a_certificate_is_checked_against_it() -> None:
    assert Address("127.0.0.1", 5432) in await addresses_of("postgresql://u:p@localhost/leads")
    assert await addresses_of("postgresql://u:p@localhost/leads?sslmode=verify-full") == [Address("localhost", 5432)]
    assert await addresses_of("postgresql://u:p@no-such-host.invalid/x") == [Address("no-such-host.invalid", 5432)]
    assert await addresses_of("postgresql:///leads") == [Address()]
    # A password file is asked by the name.
    assert await addresses_of("postgresql://u@localhost/leads") == [Address("localhost", 5432)]
