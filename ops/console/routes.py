"""All addresses of the console, who may go there, and the menu."""

from ops.console.application import Page, Route
from ops.console.draft import MAX_FORM as MAX_DRAFT_FORM
from ops.console.pages import (
    blockers,
    changes,
    doctor,
    events,
    groups,
    handover,
    import_files,
    imports,
    lead,
    leads,
    login,
    now,
    rep_leads,
    reps,
    rules,
    rules_draft,
    rules_replay,
    team,
    waiting,
)
from ops.text.translation import N_
from router.domain.access import Permission

_MANAGE, _OPERATE = Permission.MANAGE, Permission.OPERATE
# A rep's token has these for its own rep and its own leads.
_LOOK, _END, _ATTEND = Permission.LOOK, Permission.END, Permission.ATTEND
_ADMINISTER = Permission.ADMINISTER
# Rules that are applied are compared with the leads of 90 days.
_COMPARING_S = 60.0


def _of_draft(path: str, page: Page, permission: Permission, *, changes: bool = False) -> Route:
    """An address to which the form of a draft is sent."""
    return Route(
        method="POST",
        path=path,
        page=page,
        permission=permission,
        changes=changes,
        max_form=MAX_DRAFT_FORM,
        patience_s=_COMPARING_S if permission is _ADMINISTER else 0.0,
        refused=rules_draft.refused,
    )


_ENDPOINT = "/events/endpoints/{webhook}"
_EVENTS = (
    Route(method="GET", path="/events", page=events.events),
    Route(method="GET", path="/events.csv", page=events.events_csv),
    Route(method="GET", path="/events/endpoints.csv", page=events.endpoints_csv, permission=_OPERATE),
    Route(method="GET", path="/events/{event}", page=events.event),
    Route(method="GET", path=_ENDPOINT, page=events.endpoint, permission=_OPERATE),
    Route(method="GET", path=f"{_ENDPOINT}/undelivered.csv", page=events.undelivered_csv, permission=_OPERATE),
    Route(method="GET", path=f"{_ENDPOINT}/dead.csv", page=events.dead_csv, permission=_OPERATE),
    Route(method="GET", path=f"{_ENDPOINT}/redeliver", page=events.redeliver, permission=_OPERATE),
    Route(method="POST", path=f"{_ENDPOINT}/redeliver", page=events.redeliver_now, permission=_OPERATE, changes=True),
    Route(method="POST", path=f"{_ENDPOINT}/pause", page=events.pause, permission=_OPERATE, changes=True),
    Route(method="POST", path=f"{_ENDPOINT}/resume", page=events.resume, permission=_OPERATE, changes=True),
)
_UPLOAD = "/imports/files/{upload}"
_IMPORTS = (
    Route(method="GET", path="/imports", page=imports.imports),
    Route(method="GET", path="/imports.csv", page=imports.imports_csv),
    Route(method="GET", path="/imports/new", page=import_files.new, permission=_OPERATE),
    Route(method="POST", path="/imports/check", page=import_files.check, permission=_OPERATE, with_file=True),
    Route(method="POST", path=f"{_UPLOAD}/check", page=import_files.check_again, permission=_OPERATE),
    Route(method="POST", path=f"{_UPLOAD}/import", page=import_files.start, permission=_OPERATE, changes=True),
    Route(method="GET", path="/imports/runs/{job}", page=import_files.run, permission=_OPERATE),
    Route(method="GET", path="/imports/runs/{job}/rejects.csv", page=import_files.rejects, permission=_OPERATE),
    Route(method="GET", path="/imports/{import}", page=imports.import_),
    Route(method="GET", path="/imports/{import}/undo", page=imports.undo, permission=_OPERATE),
    Route(method="POST", path="/imports/{import}/undo", page=imports.undo_now, permission=_OPERATE, changes=True),
)


def _of_server(method: str, path: str, page: Page) -> Route:
    """About the database server, which is nobody's alone; what is sent changes something."""
    changes = method == "POST"
    return Route(
        method=method, path=path, page=page, permission=_OPERATE, of_tenant=False, of_all=True, changes=changes
    )


_BLOCKERS = (
    Route(method="GET", path="/blockers", page=blockers.blockers, permission=_OPERATE, of_tenant=False),
    Route(method="GET", path="/blockers.csv", page=blockers.blockers_csv, permission=_OPERATE, of_tenant=False),
    _of_server("GET", "/connections.csv", blockers.connections_csv),
    _of_server("GET", "/processes.csv", blockers.processes_csv),
    _of_server("GET", "/blockers/idle", blockers.end_idle),
    _of_server("POST", "/blockers/idle", blockers.end_idle_now),
    _of_server("POST", "/blockers/{pid}/end", blockers.end_blocker),
)

ROUTES = (
    Route(method="GET", path="/login", page=login.show, permission=None, of_tenant=False),
    Route(method="POST", path="/login", page=login.log_in, permission=None, of_tenant=False),
    Route(method="POST", path="/logout", page=login.log_out, permission=_LOOK, of_tenant=False),
    Route(method="GET", path="/preferences", page=login.prefer, permission=None, of_tenant=False),
    Route(method="GET", path="/", page=now.now, of_tenant=False),
    Route(method="GET", path="/flow.csv", page=now.flow_csv, of_tenant=False),
    Route(method="GET", path="/waiting.csv", page=now.waiting_csv, of_tenant=False),
    Route(method="GET", path="/leads", page=leads.leads),
    Route(method="GET", path="/leads.csv", page=leads.leads_csv, streams=True),
    Route(method="GET", path="/leads/count", page=leads.count),
    Route(method="GET", path="/leads/{lead}", page=lead.lead),
    Route(method="POST", path="/leads/{lead}/park", page=lead.park, permission=_OPERATE, changes=True),
    Route(method="POST", path="/leads/{lead}/unpark", page=lead.unpark, permission=_OPERATE, changes=True),
    Route(method="POST", path="/leads/{lead}/end", page=lead.end, permission=_MANAGE, changes=True),
    Route(method="POST", path="/leads/{lead}/assign", page=lead.assign, permission=_MANAGE, changes=True),
    Route(method="GET", path="/waiting", page=waiting.waiting),
    Route(method="GET", path="/parked.csv", page=waiting.parked_csv),
    Route(method="GET", path="/waiting/retry", page=waiting.retry, permission=_OPERATE),
    Route(method="POST", path="/waiting/retry", page=waiting.retry_now, permission=_OPERATE, changes=True),
    Route(method="GET", path="/waiting/all/{kind}", page=waiting.all_matching, permission=_OPERATE),
    Route(method="POST", path="/waiting/all/{kind}", page=waiting.all_matching_now, permission=_OPERATE, changes=True),
    Route(method="GET", path="/jobs/{job}", page=waiting.job),
    Route(method="POST", path="/jobs/{job}/cancel", page=waiting.cancel, permission=_OPERATE, changes=True),
    Route(method="GET", path="/groups", page=groups.groups),
    Route(method="GET", path="/groups.csv", page=groups.groups_csv),
    Route(method="GET", path="/groups/{group}", page=groups.group),
    Route(method="GET", path="/groups/{group}/members.csv", page=groups.group_csv),
    Route(method="GET", path="/groups/{group}/shares", page=groups.shares),
    Route(method="GET", path="/groups/{group}/shares.csv", page=groups.shares_csv),
    Route(method="GET", path="/reps/{rep}", page=reps.rep),
    Route(method="GET", path="/reps/{rep}/week.csv", page=reps.week_csv),
    Route(method="POST", path="/reps/{rep}/available", page=reps.set_available, permission=_MANAGE, changes=True),
    Route(method="GET", path="/reps/{rep}/leads", page=rep_leads.leads_of_rep, permission=_MANAGE),
    Route(method="GET", path="/reps/{rep}/leads.csv", page=rep_leads.leads_of_rep_csv, permission=_MANAGE),
    Route(method="GET", path="/reps/{rep}/handover", page=handover.handover, permission=_MANAGE),
    Route(method="POST", path="/reps/{rep}/handover", page=handover.start, permission=_MANAGE, changes=True),
    Route(method="GET", path="/handovers/{job}", page=handover.result),
    Route(method="GET", path="/team", page=team.team, permission=_MANAGE),
    Route(method="GET", path="/team.csv", page=team.team_csv, permission=_MANAGE),
    Route(method="GET", path="/oldest.csv", page=team.oldest_csv, permission=_MANAGE),
    Route(method="GET", path="/my-leads", page=rep_leads.my_leads, permission=_LOOK),
    Route(method="GET", path="/my-leads.csv", page=rep_leads.my_leads_csv, permission=_LOOK),
    Route(method="GET", path="/my-leads/{lead}", page=rep_leads.my_lead, permission=_LOOK),
    Route(method="POST", path="/my-leads/{lead}/end", page=rep_leads.end_mine, permission=_END, changes=True),
    Route(method="POST", path="/my-availability", page=rep_leads.set_mine_available, permission=_ATTEND, changes=True),
    Route(method="GET", path="/rules", page=rules.rules),
    Route(method="GET", path="/rules.csv", page=rules.rules_csv),
    Route(method="GET", path="/rules/versions.csv", page=rules.versions_csv),
    Route(method="GET", path="/rules/versions/{version}", page=rules.version),
    Route(method="GET", path="/rules/lint", page=rules.lint),
    Route(method="GET", path="/rules/compare", page=rules.compare),
    Route(method="GET", path="/rules/compare.csv", page=rules.compare_csv),
    Route(method="GET", path="/rules/draft", page=rules_draft.new),
    _of_draft("/rules/draft", rules_draft.look, Permission.READ),
    _of_draft("/rules/draft/replay", rules_draft.start_replay, _OPERATE),
    _of_draft("/rules/draft/apply", rules_draft.preview, _ADMINISTER),
    _of_draft("/rules/apply", rules_draft.apply, _ADMINISTER, changes=True),
    Route(method="GET", path="/rules/replays/{job}", page=rules_replay.replay),
    Route(method="GET", path="/rules/replays/{job}/{table}.csv", page=rules_replay.replay_csv),
    Route(method="GET", path="/rules/rollback", page=rules.roll_back_form, permission=_ADMINISTER),
    Route(method="POST", path="/rules/rollback", page=rules.roll_back, permission=_ADMINISTER, changes=True),
    *_EVENTS,
    *_IMPORTS,
    *_BLOCKERS,
    Route(method="GET", path="/doctor", page=doctor.doctor, permission=_OPERATE, of_tenant=False),
    Route(method="GET", path="/doctor.csv", page=doctor.doctor_csv, permission=_OPERATE, of_tenant=False),
    Route(method="GET", path="/runbook/{name}", page=doctor.runbook, of_tenant=False),
    Route(method="GET", path="/changes", page=changes.changes, of_tenant=False),
    Route(method="GET", path="/changes.csv", page=changes.changes_csv, of_tenant=False),
)

NAV = (
    ("/", N_("Now"), Permission.READ),
    ("/leads", N_("Leads"), Permission.READ),
    ("/waiting", N_("Waiting & parked"), Permission.READ),
    ("/team", N_("My team"), Permission.MANAGE),
    ("/groups", N_("Groups & reps"), Permission.READ),
    ("/rules", N_("Rules"), Permission.READ),
    ("/events", N_("Events"), Permission.READ),
    ("/imports", N_("Imports"), Permission.READ),
    ("/blockers", N_("Blockers"), Permission.OPERATE),
    ("/doctor", N_("Doctor"), Permission.OPERATE),
    ("/changes", N_("Changes"), Permission.READ),
)
