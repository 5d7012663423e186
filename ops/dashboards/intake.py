"""Intake and HTTP: do leads come in, are they taken, how fast; and do events go out?"""

from ops.dashboards.board import Board, Choice, Kind, Panel, Query, Row, quantile, rate
from ops.dashboards.shared import PER_SECOND, stalls

_WHERE = 'instance=~"$instance"'
_OF = "{" + _WHERE + "}"
_INTAKE = 'area="intake", ' + _WHERE
_OTHER = 'area!="intake", ' + _WHERE


_TAKEN = Row(
    "Are leads taken?",
    (
        Panel(
            "Requests that hand in leads and fail",
            "Share that is answered with a 5xx status; the objective allows 0.1%. Senders repeat them, and some give "
            "up. lead-router runbook LeadRouterIntakeRefuses.",
            "percentunit",
            (
                Query(
                    f'sum(rate(lead_router_http_requests_total{{status=~"5..", {_INTAKE}}}[$__rate_interval])) '
                    f"/ sum(rate(lead_router_http_requests_total{{{_INTAKE}}}[$__rate_interval]))",
                    "failed",
                ),
            ),
            width=8,
            warn=0.001,
            bad=0.0144,
        ),
        Panel(
            "Requests that hand in leads",
            "By status. 202 and 200 are taken, 207 is a batch with some refused leads, 4xx is the sender's mistake or "
            "a limit (429), 5xx is ours.",
            PER_SECOND,
            (Query(rate("lead_router_http_requests_total", "status", _INTAKE), "{{status}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Leads over HTTP",
            "accepted and repeated are good. refused = wrong values: tell the sender. shed = too many waited. "
            "not_durable = the database was busy or away: lead-router runbook database_busy.",
            PER_SECOND,
            (Query(rate("lead_router_intake_leads_total", "route, result", _WHERE), "{{route}} {{result}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Arrivals in an hour, and a week ago",
            "Leads that came in over any way in the last hour, and in the same hour a week before. Far fewer than "
            "then, on a usual day: what sends leads to us does not send.",
            "short",
            (
                Query('sum(increase(lead_router_leads_arrived_total{tenant=~"$tenant"}[1h]))', "now"),
                Query('sum(increase(lead_router_leads_arrived_total{tenant=~"$tenant"}[1h] offset 1w))', "a week ago"),
            ),
            width=12,
        ),
        stalls(
            "intake|look",
            "intake = no leads come in at a time at which they usually do: lead-router runbook "
            "LeadRouterNoLeadsComeIn. look = the database could not be asked.",
            12,
        ),
    ),
)

_FAST = Row(
    "How fast, and what waits?",
    (
        Panel(
            "Time of a commit",
            "From asking for a connection to the commit of leads that are taken together. It is most of what a sender "
            "waits. Beyond a second: the dashboards of connections and of the database.",
            "s",
            tuple(
                Query(quantile(q, "lead_router_intake_commit_duration_seconds", where=_WHERE), f"p{q * 100:.0f}")
                for q in (0.5, 0.95, 0.99)
            ),
            width=8,
            warn=1,
        ),
        Panel(
            "Leads per commit, and waiting",
            "Leads that are committed together on average, and single leads that waited when the last commit began. "
            "Both rise with the load; waiting that stays high comes before 429.",
            "short",
            (
                Query(
                    f"sum(rate(lead_router_intake_commit_size_sum{_OF}[$__rate_interval])) "
                    f"/ sum(rate(lead_router_intake_commit_size_count{_OF}[$__rate_interval]))",
                    "per commit",
                ),
                Query(f"sum(lead_router_intake_waiting{_OF})", "waiting"),
            ),
            width=8,
        ),
        Panel(
            "Leads in journals",
            "Accepted while the database was away, safe on the disk of the instance. waiting goes down by itself once "
            "it is back: lead-router runbook LeadRouterJournalInUse. set_aside wants a person: lead-router runbook "
            "journal_set_aside. "
            "Empty without a journal.",
            "short",
            (Query(f"sum by (instance, state) (lead_router_journal_leads{_OF})", "{{instance}} {{state}}"),),
            width=8,
            warn=1,
        ),
    ),
)

_OTHERS = Row(
    "HTTP, and events out",
    (
        Panel(
            "Requests to the API, by route",
            "The ten busiest routes, without those that hand in leads. (other) = addresses that there are not.",
            PER_SECOND,
            (
                Query(
                    f"topk(10, {rate('lead_router_http_requests_total', 'method, route', _OTHER)})",
                    "{{method}} {{route}}",
                ),
            ),
        ),
        Panel(
            "Deliveries to webhooks",
            "Attempts by result. failed ones are tried again; dead ones were given up: lead-router webhooks dead, "
            "lead-router runbook webhook_failing.",
            PER_SECOND,
            (Query(rate("lead_router_webhook_deliveries_total", "result", _WHERE), "{{result}}"),),
            Kind.STACK,
        ),
    ),
)

BOARD = Board(
    "lead-router-intake",
    "lead-router: intake and HTTP",
    "Do leads come in, are they taken, how fast, and do events go out?",
    (Choice.TENANT, Choice.INSTANCE),
    (_TAKEN, _FAST, _OTHERS),
)
