-- How the tables that every batch writes are stored and vacuumed; what was measured, and why, is in docs/performance.md#vacuum.
-- depends: 0020_maintenance

-- migrate: apply

-- Small, and every batch reads them by their key: their dead rows cost each batch something, and vacuuming them costs nothing. So at a
-- number of dead rows, without pauses; never cut at the end, which takes an ACCESS EXCLUSIVE lock for pages that are needed again at once.
alter table lane set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off);
alter table rep_load set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off);
alter table group_share set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off);

-- Queues: filled and emptied all day, so a share of their rows says nothing. The pool keeps its share: beside a million that wait,
-- twenty thousand dead ones are no reason to walk over all of its indexes. Cut at the end: of a table with many pages and no row
-- the planner believes that a page holds nothing, however full they are when the next leads come.
alter table lane_inbox set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table wake_key set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table lead_pool set (autovacuum_vacuum_threshold = 500);
alter table webhook_delivery set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);

-- Large, and rows go one by one: at the server's 20% millions would be dead first. New rows are vacuumed sooner, too: what counts leads
-- reads the index only, as far as pages are known to be visible to all.
alter table assignment set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05);
alter table customer_owner set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
alter table idempotency set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
-- Each event is written twice, once with its place in the order.
alter table event set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Rows that are updated in place every second or oftener: room beside them, so that no index is written.
alter table event_feed set (fillfactor = 20);
alter table webhook set (fillfactor = 50);
alter table process set (fillfactor = 50);
alter table source set (fillfactor = 50);
alter table journalled set (fillfactor = 50);

-- migrate: rollback

alter table journalled reset (fillfactor);
alter table source reset (fillfactor);
alter table process reset (fillfactor);
alter table webhook reset (fillfactor);
alter table event_feed reset (fillfactor);
alter table event reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table idempotency reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table customer_owner reset (fillfactor, autovacuum_vacuum_scale_factor);
alter table assignment reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor);
alter table webhook_delivery reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
alter table lead_pool reset (autovacuum_vacuum_threshold);
alter table wake_key reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
alter table lane_inbox reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
alter table group_share reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay, vacuum_truncate);
alter table rep_load reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay, vacuum_truncate);
alter table lane reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay, vacuum_truncate);
