"""Database connections: how many there are, who has them, who waits."""

from ops.dashboards.board import Board, Choice, Kind, Panel, Query, Row, quantile

_OF = '{instance=~"$instance"}'
_WHERE = 'instance=~"$instance"'


def _five_minutes(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{_OF}[5m]))"


_ENOUGH = Row(
    "Are there enough?",
    (
        Panel(
            "Time in which somebody waited",
            "Share of time with at least one request that waits for a connection. Routing goes on, slower. Beyond 0.5 "
            "for minutes: lead-router runbook LeadRouterConnectionsSaturated.",
            "percentunit",
            (
                Query(
                    f"max by (instance) (rate(lead_router_connections_short_seconds_total{_OF}[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            width=8,
            warn=0.25,
            bad=0.5,
            maximum=1,
        ),
        Panel(
            "All instances and the server",
            "What all instances together may open, and what the server has for them. wanted above allowed: each "
            "instance takes less than it is set to. Somebody may have lowered a limit: lead-router changes --since "
            "24h.",
            "none",
            (
                Query("max(lead_router_connections_wanted)", "wanted"),
                Query("max(lead_router_connections_allowed)", "allowed"),
            ),
            width=8,
        ),
        Panel(
            "Connections that could not be opened",
            "In five minutes. refused = the server has no more: lead-router connections list shows who has them. away "
            "= it cannot be reached: lead-router runbook database_busy.",
            "short",
            (Query(_five_minutes("lead_router_connections_not_opened_total", "cause"), "{{cause}}"),),
            width=8,
            warn=1,
        ),
        Panel(
            "Open connections",
            "Of each instance: open now, what may be open now, and what it is set to. A limit below the maximum means "
            "that the server has too few.",
            "none",
            (
                Query(f"max by (instance) (lead_router_connections_open{_OF})", "{{instance}} open"),
                Query(f"max by (instance) (lead_router_connections_limit{_OF})", "{{instance}} limit"),
                Query(f"max by (instance) (lead_router_connections_maximum{_OF})", "{{instance}} maximum"),
            ),
            width=24,
        ),
    ),
)

_WHO = Row(
    "Who has them, who waits?",
    (
        Panel(
            "In use, by part",
            "Connections that are lent out. A part that has all of them for minutes holds up nobody else (each has its "
            "share) but itself: look at its times below.",
            "none",
            (Query(f"sum by (part) (lead_router_connections_in_use{_OF})", "{{part}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Requests that wait, by part",
            "Now. Short peaks are normal. What stays above 0 is short of connections: raise connections.maximum, if "
            "the server has room for it.",
            "none",
            (Query(f"sum by (part) (lead_router_connections_waiting{_OF})", "{{part}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Requests without a connection, held too long",
            "In five minutes: requests that got no connection before their deadline, and connections held longer than "
            "connections.held_limit_s. The log names the holder; lead-router runbook connections_short.",
            "short",
            (
                Query(_five_minutes("lead_router_connections_timeouts_total", "part"), "{{part}} got none"),
                Query(_five_minutes("lead_router_connections_held_too_long_total", "part"), "{{part}} held too long"),
            ),
            width=8,
            warn=1,
        ),
        Panel(
            "Wait for a connection, p99",
            "Until a connection was lent. Milliseconds are normal; beyond a second leads and requests wait for it.",
            "s",
            (
                Query(
                    quantile(0.99, "lead_router_connections_acquire_duration_seconds", "part", _WHERE),
                    "{{part}}",
                ),
            ),
            warn=1,
        ),
        Panel(
            "Use of a connection, p99",
            "For how long it was lent. A part that suddenly holds longer waits for the database: locks, a slow disk, "
            "large batches. duties take long by nature.",
            "s",
            (Query(quantile(0.99, "lead_router_connections_use_duration_seconds", "part", _WHERE), "{{part}}"),),
        ),
    ),
)

BOARD = Board(
    "lead-router-connections",
    "lead-router: connections",
    "How many database connections there are, who has them, and who waits for one.",
    (Choice.INSTANCE,),
    (_ENOUGH, _WHO),
)
