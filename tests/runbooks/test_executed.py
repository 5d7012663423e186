"""A page cures what it is about: its own commands, typed as it has them, end the fault on a real database."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from ops.runbooks.library import page_of, places
from ops.runbooks.page import Purpose
from router.store.connections.connections import Connections
from tests.runbooks import of_leads, of_reps, of_servers, of_service, of_sources
from tests.runbooks.incident import OnCall
from tests.runbooks.world import Scene, World

EXECUTED: Mapping[str, Scene] = {
    "all_at_daily_cap": of_reps.daily_cap,
    "all_at_open_cap": of_reps.open_cap,
    "availability_unreadable": of_service.availability_as_text,
    "caps_used_up": of_reps.daily_cap,
    "cleanup_overdue": of_servers.never_cleaned,
    "clock_was_wrong": of_servers.clock_was_ahead,
    "connections_short": of_servers.no_connections,
    "database_busy": of_service.locked_table,
    "database_unusable": of_sources.no_schema,
    "group_empty": of_reps.empty_group,
    "groups_empty": of_service.new_reps_without_group,
    "index_missing": of_servers.dropped_index,
    "internal_error": of_leads.parked_by_an_error,
    "journal_set_aside": of_sources.refused_by_a_constraint,
    "lead_invalid": of_leads.parked_by_intake,
    "leads_journalled": of_sources.in_a_journal,
    "members_unavailable": of_reps.nobody_there,
    "no_matching_rule": of_leads.unmatched,
    "no_rule_matches": of_leads.unmatched,
    "nobody_available": of_reps.nobody_there,
    "nobody_takes_leads": of_servers.no_router,
    "outside_window": of_reps.closed_window,
    "owner_at_cap": of_reps.owner_full,
    "owner_unavailable": of_reps.owner_away,
    "paused": of_leads.paused,
    "reps_without_group": of_reps.rep_without_group,
    "roster_not_synced": of_sources.view_was_gone,
    "rules_doubtful": of_leads.doubtful_rules,
    "rules_unreadable": of_leads.rules_of_a_later_release,
    "screening": of_leads.parked_by_a_person,
    "stamps_shifted": of_leads.times_of_another_zone,
    "tables_bloated": of_servers.dead_rows,
    "tenant_paused": of_leads.paused,
    "webhook_failing": of_servers.webhook_gone,
}
OF_ANOTHER_SYSTEM = "what ends it is done outside: on a host, in the CRM, at the receiver or in another server"
OVER_BY_ITSELF = "no command ends it: it is over by itself, after hours or days without what it reports"
BY_DEVELOPERS = "no command may end it: a developer has to look at the data"
NOT_EXECUTED: Mapping[str, str] = {
    "blocked_nightly": OVER_BY_ITSELF,
    "clocks_differ": OF_ANOTHER_SYSTEM,
    "could_not_check": "no fault of its own: what keeps a check from its answer has a page itself",
    "disk_filling": OF_ANOTHER_SYSTEM,
    "events_lagging": OF_ANOTHER_SYSTEM,
    "intake_stopped": OF_ANOTHER_SYSTEM,
    "journal_full": OF_ANOTHER_SYSTEM,
    "leads_unaccounted": BY_DEVELOPERS,
    "maintenance_overrun": OF_ANOTHER_SYSTEM,
    "misrouted": OVER_BY_ITSELF,
    "notify_failing": OF_ANOTHER_SYSTEM,
    "pooler_saturated": OF_ANOTHER_SYSTEM,
    "presence_unknown": OF_ANOTHER_SYSTEM,
    "redis_trouble": OF_ANOTHER_SYSTEM,
    "reps_without_leads": OVER_BY_ITSELF,
    "retries_repeating": OVER_BY_ITSELF,
    "roster_not_understood": OF_ANOTHER_SYSTEM,
    "routers_crashing": OVER_BY_ITSELF,
    "server_settings": "the tests' server does not wait for its disk, which is this finding, too: it is never over",
    "service_failing": "it is seen on /readyz of a running process only, not by a command",
    "stalled": "a symptom: what ends it is on the page of the cause",
    "vacuum_held_back": "a transaction has to be open for 10 minutes; what ends it is run for database_busy",
    "versions_mixed": OF_ANOTHER_SYSTEM,
    "zones_differ": "nothing is to be cured: routing is not affected",
    "zones_doubtful": OF_ANOTHER_SYSTEM,
}


def of_findings_and_reasons() -> set[str]:
    """Alerts have tests of their own: they are about metrics."""
    return {name for name, file in places().items() if file.parent.name != "alerts"}


def test_every_page_is_executed_or_says_why_not() -> None:
    assert not EXECUTED.keys() & NOT_EXECUTED.keys()
    assert EXECUTED.keys() | NOT_EXECUTED.keys() == of_findings_and_reasons()


@pytest.mark.direct
@pytest.mark.parametrize("name", EXECUTED)
async def test_the_commands_of_the_page_end_what_it_is_about(
    name: str,
    conn: asyncpg.Connection,
    connections: Connections,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    page = page_of(name)
    async with EXECUTED[name](World(name, database_url, conn, connections, tmp_path)) as incident:
        engineer = OnCall(page, incident)
        await engineer.cures()
        for purpose in Purpose:
            assert [one for one in engineer.ran if one.purpose is purpose], f"the page has nothing to {purpose}"
        for beginning in incident.left_out:
            assert [one for one in page.commands if one.text.startswith(beginning)], f"{beginning} is not on the page"
