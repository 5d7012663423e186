"""The database and its locks: who is in the way, what grows, what is removed."""

from ops.dashboards.board import Board, Choice, Panel, Query, Row, or_none
from ops.dashboards.shared import PER_MINUTE

_LOCKS = Row(
    "Who is in the way?",
    (
        Panel(
            "Sessions that keep leads from being routed",
            "By kind: table_lock and table_lock_wanted stop all batches, the others some leads. Above 0 for minutes: "
            "lead-router blockers names them, lead-router runbook LeadRouterTableLocked and LeadRouterBlockerSeen go "
            "on.",
            "none",
            (Query("max by (kind) (lead_router_locks_blockers)", "{{kind}}"),),
            width=8,
            bad=1,
        ),
        Panel(
            "Locks that batches met",
            "Batches per minute that passed over locked rows, and such that gave up a lock and were rolled back. Both "
            "cost time, no leads. For minutes: lead-router blockers; at night look for a script that cleans.",
            PER_MINUTE,
            (
                Query(
                    '60 * sum(rate(lead_router_locks_skips_total{tenant=~"$tenant"}[$__rate_interval]))', "passed over"
                ),
                Query(
                    '60 * sum(rate(lead_router_locks_timeouts_total{tenant=~"$tenant"}[$__rate_interval]))', "gave up"
                ),
            ),
            width=8,
        ),
        Panel(
            "Sessions that were ended",
            "In the last hour, by the blocking watch: own ones stuck with a lane, foreign ones that blocked for too "
            "long. The log and lead-router changes --since 24h name them.",
            "short",
            (
                Query(
                    or_none("sum by (whose, deed) (increase(lead_router_locks_sessions_ended_total[1h]))", "whose"),
                    "{{whose}} {{deed}}",
                ),
            ),
            width=8,
            warn=1,
        ),
    ),
)

_GROWS = Row(
    "What grows?",
    (
        Panel(
            "Dead rows",
            "Share of dead rows in the tables that batches write. Beyond one half for hours batches get slower: "
            "lead-router runbook tables_bloated.",
            "percentunit",
            (
                Query(
                    "max by (table) (lead_router_table_dead_rows) / clamp_min(max by (table) "
                    "(lead_router_table_dead_rows) + max by (table) (lead_router_table_live_rows), 1000)",
                    "{{table}}",
                ),
            ),
            width=8,
            warn=0.5,
        ),
        Panel(
            "Size of tables",
            "With their indexes, as of their last vacuum or analyze. A pool (lead_pool) that stays large after it was "
            "emptied is bloated: lead-router runbook tables_bloated.",
            "bytes",
            (Query("topk(10, sum by (table) (max by (table, part) (lead_router_table_size_bytes)))", "{{table}}"),),
            width=8,
        ),
        Panel(
            "What keeps vacuum back",
            "Age of the oldest transaction because of which dead rows cannot be removed. Beyond ten minutes: "
            "lead-router runbook vacuum_held_back has the command that ends it.",
            "s",
            (Query("max by (kind) (lead_router_vacuum_held_seconds)", "{{kind}}"),),
            width=8,
            warn=600,
            bad=3600,
        ),
        Panel(
            "Log kept for a replication slot",
            "Write-ahead log that the server keeps for the slot that is furthest behind. One that only grows fills the "
            "disk: lead-router runbook disk_filling.",
            "bytes",
            (Query("max(lead_router_vacuum_slot_wal_bytes)", "kept"),),
            width=8,
            warn=16 * 1024**3,
        ),
        Panel(
            "Transactions since what keeps vacuum back",
            "The same by count, also of standbys and slots, of which no age is known. Beyond a hundred million the "
            "server comes close to its own limits: lead-router runbook vacuum_held_back.",
            "short",
            (Query("max by (kind) (lead_router_vacuum_held_transactions)", "{{kind}}"),),
            width=8,
            warn=10_000_000,
            bad=100_000_000,
        ),
    ),
)

_REMOVED = Row(
    "What is removed?",
    (
        Panel(
            "Old rows removed by cleanup",
            "Per minute and table. None for days although cleanup is on: lead-router runbook cleanup_overdue.",
            PER_MINUTE,
            (
                Query(
                    or_none("60 * sum by (table) (rate(lead_router_cleanup_rows_total[$__rate_interval]))", "table"),
                    "{{table}}",
                ),
            ),
            width=8,
        ),
        Panel(
            "Cleanups by how they ended",
            "In the last day. failed or brake only: it does not get on. Cleanup overdue is a finding: lead-router "
            "runbook LeadRouterCleanupOverdue.",
            "short",
            (
                Query(
                    or_none("sum by (outcome) (increase(lead_router_cleanup_runs_total[1d]))", "outcome"), "{{outcome}}"
                ),
                Query('max(lead_router_findings_open{code="cleanup_overdue"}) or vector(0)', "overdue"),
            ),
            width=8,
        ),
        Panel(
            "Turns of scripts that clean",
            "open = one cleans now; overrun = it did not give its turn back in time and may hold locks: lead-router "
            "maintenance list, lead-router runbook maintenance_overrun.",
            "none",
            (Query("max by (state) (lead_router_maintenance_turns)", "{{state}}"),),
            width=8,
        ),
    ),
)

BOARD = Board(
    "lead-router-database",
    "lead-router: database and locks",
    "Who is in the way of batches, what grows in the database, and what is removed.",
    (Choice.TENANT,),
    (_LOCKS, _GROWS, _REMOVED),
)
