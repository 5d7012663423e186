"""The table of all commands: where each is, and the first sentence of its help."""

from ops.cli.family import Family

tenants = Family(
    "tenants",
    "Companies or divisions that own leads, reps and rules.",
    "tenants add acme --time-zone Asia/Shanghai",
    {
        "add": ("tenants:add", "Create the tenant NAME."),
        "list": ("tenants:list_", "List all tenants with the versions in force."),
        "rename": ("tenants_change:rename", "Give the tenant NAME the name NEW_NAME."),
        "set": (
            "tenants_change:set_",
            "Change the time zone of the tenant NAME, as long as it has had no leads.",
        ),
        "remove": (
            "tenants_change:remove",
            "Remove the tenant NAME with all that is its own: leads, reps, rules, customers, history, events, tokens.",
        ),
        "events": ("tenants:events", "Switch the writing of events of the tenant NAME on or off."),
    },
)

reps = Family(
    "reps",
    "The roster: who can be given leads, and when.",
    "reps import reps.csv --tenant acme",
    {
        "import": (
            "reps:import_",
            "Import reps from FILE (.csv, .tsv, .txt or .xlsx): all of it, or nothing when something in it is wrong.",
        ),
        "list": (
            "reps_list:list_",
            "List the reps of a tenant: loads against caps, on duty or when next, weight, hours, leave.",
        ),
        "show": (
            "reps_list:show",
            "Show one rep: all fields, loads against caps, on duty or when next, leave, and share against weight.",
        ),
        "set": ("reps:set_", "Change fields of one rep."),
        "history": (
            "reps_history:history_",
            "Show the versions of the roster, the last one first: when, by whom, what for, and what changed.",
        ),
        "rollback": (
            "reps_history:rollback",
            "Make the reps again what they were in an earlier version, as a new version.",
        ),
        "sync": (
            "reps_sync:sync_",
            "Sync the roster with the tenant's view of the CRM once, now (the daemon does it by itself).",
        ),
        "present": ("present", "Record that a rep is present, for as long as `presence.ttl` of the rules says."),
    },
)

rules = Family(
    "rules",
    "The routing rules: who gets which lead.",
    "rules check rules.yaml --tenant acme",
    {
        "check": ("rules:check", "Check the rules in FILE: report what is wrong, and what is odd."),
        "test": (
            "rules_trial:try_rules",
            "Decide one lead by the rules in FILE, with the reps and loads of now, and explain why.",
        ),
        "diff": ("rules:diff", "Show what FILE would change in the active rules."),
        "apply": ("rules:apply", "Make the rules in FILE the active ones, as a new version."),
        "show": (
            "rules_history:show",
            "Print rules as they were applied; on stderr which version that is, when and by whom it was applied.",
        ),
        "list": ("rules_history:list_versions", "The versions of a tenant's rules, the last one first."),
        "rollback": (
            "rules_history:rollback",
            "Make an earlier version of the rules active again, as a new version with the same text and lists.",
        ),
    },
)

synonyms = Family(
    "synonyms",
    "Words that mean the same source, region or industry; they apply to every intake path.",
    "leads synonyms import synonyms.csv --tenant acme",
    {
        "import": (
            "synonyms:import_",
            "Import words from a CSV FILE with the columns field, word, spelling: all of it or nothing.",
        ),
        "list": ("synonyms:list_", "List the words and how they are spelled."),
    },
)

leads = Family(
    "leads",
    "Leads: importing them from files, taking imports back, listing, correcting and ending them.",
    "leads import leads.csv --tenant acme --mapping mapping.yaml",
    {
        "import": (
            "leads:import_",
            "Import the leads in FILE (.csv, .tsv, .txt, .xlsx, .json, .jsonl or .ndjson).",
        ),
        "list": (
            "leads_list:list_",
            "List leads, newest first: where each is, who has it, and what it waits for.",
        ),
        "imports": (
            "leads_imports:imports",
            "List imports of files, the youngest first: who, when, which file, and what it brought.",
        ),
        "undo-import": (
            "leads_imports:undo_import",
            "Take back import IMPORT: remove its leads that no one has worked on, and name the rest.",
        ),
        "correct": (
            "leads_correct:correct",
            "Change leads that are stored to what FILE says, where no one has worked on them.",
        ),
        "end": (
            "leads_end:end",
            "End the assignments that FILE names: won, lost or returned, each with a reason.",
        ),
        "import-assignments": (
            "leads_import_assignments:import_assignments",
            "Take over from FILE the leads that a CRM has assigned already, with their reps.",
        ),
        "unmerge": (
            "leads_unmerge:unmerge",
            "Undo that LEAD (its number, its external id, or SOURCE/ID) was merged into another lead as its repeat.",
        ),
        "restamp": (
            "restamp",
            "Correct the creation times of a source's waiting and parked leads, and have the waiting ones tried again.",
        ),
        "synonyms": synonyms,
    },
)

customers = Family(
    "customers",
    "Customers: how leads are matched to them, who owns them, and merging duplicates.",
    "customers show 13800138000 --tenant acme",
    {
        "show": (
            "customers:show",
            "Show CUSTOMER: its number (see lead-router why), the CRM's customer id, a phone, or an e-mail address.",
        ),
        "import-owners": (
            "customers_import_owners:import_owners",
            "Take over from FILE which rep owns which customer.",
        ),
        "check": (
            "customers_check:check",
            "Report which leads of FILE would belong to the same customer, by which key, and which keys look "
            "suspicious.",
        ),
        "merge": ("customers:merge", "Merge customer B into customer A: they are duplicates."),
        "unmerge": ("customers:unmerge", "Undo the merge MERGE_ID."),
        "rules": (
            "customers:rules",
            "Show how leads are matched to customers, or apply the match rules of FILE to leads that arrive "
            "from now on.",
        ),
        "shared": (
            "customers:shared",
            "List phones, addresses and domains that too many people share, so that they are not used for matching.",
        ),
    },
    former={"part": "unmerge"},
)

lane = Family(
    "lane",
    "The lane of a tenant: the one way on which its leads are routed.",
    "lane reset-clock acme",
    {
        "reset-clock": (
            "lane:reset_clock",
            "Say that the database's clock is right now, after it was wrong, and route TENANT by it.",
        ),
    },
)

tokens = Family(
    "tokens",
    "Tokens for the API: who may do what.",
    "tokens create website --tenant acme --role intake",
    {
        "create": ("tokens:create", "Create a token called NAME and show it once: only a hash of it is stored."),
        "list": ("tokens:list_", "List the tokens, also those that are revoked or have expired."),
        "revoke": (
            "tokens:revoke",
            "End the token TOKEN (its id, as in the list): within 5 s it opens nothing any more.",
        ),
    },
)

sources = Family(
    "sources",
    "Web forms and webhooks through which leads come.",
    "sources add website form.yaml --tenant acme",
    {
        "add": (
            "sources:add",
            "Create the source NAME from FILE, which has its mapping and its door (form: or webhook:).",
        ),
        "list": ("sources:list_", "List the sources of a tenant, and what came through them."),
        "show": ("sources:show", "Show the source NAME: its address, its file, and what it refused recently."),
        "set": (
            "sources:set_",
            "Give the source NAME another FILE, which counts within 5 s; its address and secrets stay.",
        ),
        "rotate": (
            "sources:rotate",
            "Replace the key of the form NAME, or the secret of the webhook NAME; the old one holds for a while.",
        ),
        "remove": ("sources:remove", "Remove the source NAME with its keys and secrets; its leads stay."),
        "test": ("sources_preview:preview", "Show what the source in FILE would make of a body, and store nothing."),
    },
)

notify = Family(
    "notify",
    "The channels through which people are notified of stalls and findings.",
    "notify test oncall",
    {
        "test": ("notify:test", "Send one test message to CHANNEL, now, and show the answer."),
        "list": ("notify:list_", "List the channels, the last success and error of each, and what waits to be sent."),
    },
)
webhooks = Family(
    "webhooks",
    "Where events are delivered to: endpoints, their secrets, and what they did not take.",
    "webhooks add https://crm.example.com/hooks/leads --tenant acme",
    {
        "add": ("webhooks:add", "Have events delivered to URL, and print the secret that they are signed with."),
        "list": ("webhooks:list_", "List webhooks, and how each fares."),
        "test": (
            "webhooks:test",
            "Send one event of the type webhook.test to a webhook, now, and show the answer.",
        ),
        "rotate": (
            "webhooks_change:rotate",
            "Sign with a new secret, and print it; earlier ones sign beside it for a while.",
        ),
        "disable": ("webhooks_change:disable", "Deliver nothing more to a webhook, until it is enabled."),
        "enable": ("webhooks_change:enable", "Deliver to a webhook again: what happened meanwhile first."),
        "remove": ("webhooks_change:remove", "Remove a webhook, its secrets, and what waits for it."),
        "dead": ("webhooks_again:dead", "List events that were given up, with the last error; the latest first."),
        "redeliver": (
            "webhooks_again:redeliver",
            "Deliver events to a webhook again: single ones, dead ones, or a range; with the ids that they had.",
        ),
    },
)

connections = Family(
    "connections",
    "The server's connections: who has them, and ending idle ones of others.",
    "connections list",
    {
        "list": (
            "connections:list_",
            "Show who has the connections of the server: sessions by application, role, database and state.",
        ),
        "end": (
            "connections:end",
            "End idle sessions of another application, so that there are connections again.",
        ),
    },
)

journal = Family(
    "journal",
    "The journal: leads that were accepted while the database was away.",
    "journal list",
    {
        "list": (
            "journal:list_",
            "Show what is in the journal: leads by tenant, and the first of them.",
        ),
        "show": (
            "journal:show",
            "Show all that one lead of the journal says: NUMBER as in the list.",
        ),
        "drain": (
            "journal:drain",
            "Move the leads of a journal that no process uses into the database.",
        ),
        "forget": (
            "journal:forget",
            "Give up the leads of JOURNAL (its number, see doctor), whose file is lost for good.",
        ),
    },
)

maintenance = Family(
    "maintenance",
    "Maintenance by scripts of others: each cleans in its turn, when the drain can spare it.",
    "maintenance run --tenant acme -- psql -f cleanup.sql",
    {
        "run": ("maintenance:run", "Wait for a turn to clean, run COMMAND in it, and give the turn back."),
        "list": ("maintenance_list:list_", "Show who has a turn to clean, who waits for one, and what was removed."),
    },
)

COMMANDS: dict[str, tuple[str, str] | Family] = {
    "migrate": ("migrate", "Brings the database's schema up to this version."),
    "tenants": tenants,
    "reps": reps,
    "groups": (
        "groups",
        "Show the groups: members, who of them could take a lead now, their leads, the rules, and what waits for them.",
    ),
    "rules": rules,
    "leads": leads,
    "customers": customers,
    "drain": ("drain", "Route all leads that can be routed now, print a summary, and exit."),
    "end": ("end", "End the assignment of LEAD: its number, its external id, or SOURCE/ID."),
    "assign": ("assign", "Give LEAD (its number, its external id, or SOURCE/ID) to a rep by hand."),
    "handover": (
        "handover",
        "Hand over a rep's leads, all or some: to another rep, or back to the rules.",
    ),
    "pause": ("pause", "Route nothing of TENANT for a while."),
    "resume": ("pause:resume", "End the pause of TENANT: its leads are routed again at once."),
    "lane": lane,
    "tokens": tokens,
    "sources": sources,
    "journal": journal,
    "park": (
        "park",
        "Take LEAD (its number, its external id, or SOURCE/ID) out of the routing, for a person to look at.",
    ),
    "unpark": (
        "park:unpark",
        "Send LEAD (its number, its external id, or SOURCE/ID) back: it waits for a rep again, queued as of now.",
    ),
    "parked": (
        "parked",
        "Show which leads are parked: why, since when, and how to send them back once the cause is fixed.",
    ),
    "retry": ("retry", "Send parked leads back, and have waiting ones tried again."),
    "cleanup": (
        "cleanup",
        "Remove what is past its retention now, beside the drain: closed leads, history and records.",
    ),
    "serve": ("serve", "Run the daemon until SIGTERM or Ctrl-C, on the configured servers (LEAD_ROUTER_DATABASE_URL)."),
    "up": (
        "up",
        "Run everything in one process tree until Ctrl-C, on the embedded servers (or the configured ones).",
    ),
    "status": ("status", "Show how many leads are in each state, why leads wait, and which routers run."),
    "why": ("why", "Explain why a lead is where it is, and what happened to it."),
    "audit": (
        "audit",
        "Prove that nothing is lost, nothing doubled, caps and shares are exact, and decisions repeat.",
    ),
    "replay": (
        "replay:replay_",
        "Run recorded batches again, with other rules, reps or caps, and show what would have been different.",
    ),
    "capacity": (
        "capacity",
        "Work out how many routers and connections a number of leads a day needs, and what is full first.",
    ),
    "doctor": (
        "doctor",
        "Find what keeps leads from being routed, or soon will: the worst first, with its proof and what to do.",
    ),
    "runbook": ("runbook", "Show the runbook of a finding, a reason or an alert; without NAME list all."),
    "changes": (
        "changes",
        "Show what was changed, by whom and why.",
    ),
    "webhooks": webhooks,
    "notify": notify,
    "events": ("events", "Show what became of leads as events, in order, from a cursor on."),
    "bundle": (
        "bundle",
        "Write one redacted archive for an incident: findings, status, blockers, changes, settings, versions, "
        "decisions.",
    ),
    "connections": connections,
    "maintenance": maintenance,
    "blockers": (
        "blockers",
        "Show the sessions that block us, worst first: locks on tables, lanes and rows, idle transactions, "
        "old snapshots.",
    ),
}

SECTIONS: dict[str, tuple[str, ...]] = {
    "Set up": ("migrate", "tenants", "reps", "groups", "rules", "customers", "sources", "tokens", "webhooks", "notify"),
    "Leads": ("leads", "end", "assign", "handover", "park", "unpark", "retry"),
    "Look": (
        "status",
        "parked",
        "why",
        "doctor",
        "audit",
        "replay",
        "changes",
        "events",
        "blockers",
        "capacity",
        "runbook",
        "bundle",
    ),
    "Act": ("pause", "resume", "connections", "maintenance", "cleanup", "journal", "lane"),
    "Run": ("up", "serve", "drain"),
}
"""The commands by what they are for, each once."""
