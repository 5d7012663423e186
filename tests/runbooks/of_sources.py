"""Incidents of what feeds the service: journals, and the CRM's view of its reps; and of a schema of another release."""

from router.intake.journal import open_journal
from router.intake.journal_drain import report
from router.settings.model import JournalSettings, RosterSyncSettings, Settings
from router.store.migrate import rollback
from tests.runbooks.world import AsyncIterator, Incident, World, asynccontextmanager
from tests.world import lead, make_tenant, simple_reps


@asynccontextmanager
async def in_a_journal(world: World) -> AsyncIterator[Incident]:
    """An instance took leads while the database was away, and ended before it came back."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    kept = JournalSettings(file=world.folder / "journal.db", maximum_leads=10)
    async with open_journal(kept) as journal:
        assert journal
        await journal.take(tenant.tenant_id, [lead(1), lead(2)])
        await report(world.conn, journal, "web-1")
    await world.conn.execute("update journal set seen_at = now() - interval '12 min'")
    other = "the other case: the file is on another disk, damaged or lost"
    yield world.incident(
        tenant,
        settings=Settings(journal=kept),
        left_out={"lead-router journal drain --file": other, "lead-router journal forget": other},
    )


@asynccontextmanager
async def refused_by_a_constraint(world: World) -> AsyncIterator[Incident]:
    """Somebody added a constraint to our table while leads were in a journal; it has been removed since."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    kept = JournalSettings(file=world.folder / "journal.db", maximum_leads=10)
    await world.conn.execute("alter table lead add constraint no_one check (external_id <> 'e1')")
    async with open_journal(kept) as journal:
        assert journal
        await journal.take(tenant.tenant_id, [lead(1), lead(2)])
        await report(world.conn, journal, "web-1")
    incident = world.incident(tenant, settings=Settings(journal=kept))
    await incident.ours("journal", "drain")
    await world.conn.execute("alter table lead drop constraint no_one")
    yield incident


@asynccontextmanager
async def view_was_gone(world: World) -> AsyncIterator[Incident]:
    """The CRM's view was not there when it was read; now it is there again."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await world.conn.execute("create table crm_people as select 'r001' as rep_id, 'yes' as available, 'all' as groups")
    world.has("sync.yaml", "tenants: {acme: {view: crm_people}}")
    incident = world.incident(tenant, settings=Settings(roster_sync=RosterSyncSettings(world.folder / "sync.yaml")))
    await incident.ours("reps", "sync", "--tenant", "acme")
    await world.conn.execute("alter table crm_people rename to away")
    await incident.ours("reps", "sync", "--tenant", "acme")
    await world.conn.execute("alter table away rename to crm_people")
    yield incident


@asynccontextmanager
async def no_schema(world: World) -> AsyncIterator[Incident]:
    """The release is there; its migrations were never run."""
    await rollback(world.url)
    yield Incident(world.name, world.url, world.conn, settings=Settings(database_url=world.url))
