"""All addresses of the console, who may go there, and the menu."""

from ops.console.application import Route
from ops.console.pages import changes, doctor, groups, lead, leads, login, now, waiting
from ops.text.translation import N_
from router.domain.access import Permission

_MANAGE, _OPERATE = Permission.MANAGE, Permission.OPERATE

ROUTES = (
    Route(method="GET", path="/login", page=login.show, permission=None, of_tenant=False),
    Route(method="POST", path="/login", page=login.log_in, permission=None, of_tenant=False),
    Route(method="POST", path="/logout", page=login.log_out, of_tenant=False),
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
    Route(method="GET", path="/reps/{rep}", page=groups.rep),
    Route(method="POST", path="/reps/{rep}/available", page=groups.set_available, permission=_MANAGE, changes=True),
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
    ("/groups", N_("Groups & reps"), Permission.READ),
    ("/doctor", N_("Doctor"), Permission.OPERATE),
    ("/changes", N_("Changes"), Permission.READ),
)
