"""8,000 real leads of a Brazilian marketplace and its 842 closed deals, as roster, mapping, leads and deals.

The data stay where they are (`data_folder`); only code is here. What the publisher left out is filled in so:

* `first_contact_date` is a date. A lead arrives on that day at a second that follows from its id, evenly
  between 08:00 and 20:00 in São Paulo, so some come before and after office hours, and on weekends.
* `won_date` is UTC; where it is midnight in São Paulo only the day is known, and the deal is won at 18:00.
* Who worked there and when is not known. Whoever closed or qualified a deal is in the roster from the first
  day: membership and groups use hindsight, nothing else does. Wins count from the moment they happened.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from loadtest.datasets.dataset import MIDNIGHT, Arrival, Dataset, Outcome, folder_of, rows
from router.domain.lead_in import LeadIn
from router.store.assignments import Ending

NAME = "olist"
ZONE = ZoneInfo("America/Sao_Paulo")
LEADS_FILE = "olist_marketing_qualified_leads_dataset.csv"
DEALS_FILE = "olist_closed_deals_dataset.csv"
ARRIVALS_FROM = time(8)
ARRIVALS_SECONDS = 12 * 3600
DAY_ENDS = time(18)
# When somebody's working hours begin.
VISITS = (MIDNIGHT, time(8), time(9), time(13))
MAPPING = """\
# Reads the publisher's own file of leads. Times are dates; `origin` may be empty, which is not `unknown`.
rename:
  mql_id: external_id
  first_contact_date: created_at
  landing_page_id: landing_page
  origin: source
time_zone: America/Sao_Paulo
empty: [d41d8cd98f00b204e9800998ecf8427e]    # the hash of an empty address
"""
NO_PAGE = hashlib.md5(b"", usedforsecurity=False).hexdigest()
FAMILY_OF_ORIGIN = {
    "organic_search": "search",
    "paid_search": "paid",
    "display": "paid",
    "social": "social",
    "other_publicities": "social",
    "referral": "network",
    "email": "network",
    "other": "network",
    "direct_traffic": "direct",
}


@dataclass(frozen=True, slots=True)
class OlistLead:
    """One marketing-qualified lead; `arrives_at` is UTC.

    `origin` None = left empty, which is not "unknown"; `landing_page` None = the hash of an empty address.
    """

    mql_id: str
    first_contact: date
    arrives_at: datetime
    landing_page: str | None
    origin: str | None


@dataclass(frozen=True, slots=True)
class Deal:
    """One lead that became a customer. None = the publisher left it blank (or wrote 0.0 for a revenue).

    `won_at` is UTC; with `day_only` its time of day is ours. `sr_id` closed the deal, `sdr_id` qualified it.
    """

    mql_id: str
    won_at: datetime
    day_only: bool
    sr_id: str
    sdr_id: str
    segment: str | None
    lead_type: str | None
    profiles: tuple[str, ...]
    has_company: bool | None
    catalog_size: int | None
    monthly_revenue: float | None


def data_folder() -> Path:
    """Raises DataMissing."""
    return folder_of(NAME, [LEADS_FILE, DEALS_FILE], "the marketing funnel data of Olist")


def dataset(most: int | None = None) -> Dataset:
    """The earliest `most` leads with their deals, or all. Raises DataMissing."""
    folder = data_folder()
    leads, deals = read_leads(folder), read_deals(folder)
    known = {lead.mql_id for lead in leads[:most]}
    return Dataset(
        name=NAME,
        zone=ZONE,
        roster=roster(leads, deals),
        arrivals=[Arrival(lead.arrives_at, lead_in(lead)) for lead in leads[:most]],
        outcomes=[Outcome(deal.mql_id, Ending.WON, deal.won_at) for deal in deals if deal.mql_id in known],
        mapping=MAPPING,
        visits=VISITS,
    )


def lead_in(lead: OlistLead) -> LeadIn:
    """The lead as `leads import` with MAPPING would take it, but for the time of day."""
    return LeadIn(
        source=lead.origin or "",
        external_id=lead.mql_id,
        created_at=lead.arrives_at,
        landing_page=lead.landing_page,
    )


def read_leads(folder: Path) -> list[OlistLead]:
    """All leads in the order of their arrival."""
    leads = [parse_lead(row) for row in rows(folder / LEADS_FILE)]
    return sorted(leads, key=lambda lead: (lead.arrives_at, lead.mql_id))


def read_deals(folder: Path) -> list[Deal]:
    """All deals in the order in which they were won."""
    return sorted((parse_deal(row) for row in rows(folder / DEALS_FILE)), key=lambda deal: (deal.won_at, deal.mql_id))


def parse_lead(row: dict[str, str]) -> OlistLead:
    """Raises KeyError or ValueError for a row that is not one of the publisher's."""
    day = date.fromisoformat(row["first_contact_date"])
    return OlistLead(
        mql_id=row["mql_id"],
        first_contact=day,
        arrives_at=arrival(row["mql_id"], day),
        landing_page=None if row["landing_page_id"] == NO_PAGE else row["landing_page_id"],
        origin=row["origin"] or None,
    )


def arrival(mql_id: str, day: date) -> datetime:
    """The second (UTC) at which the lead is said to arrive; the same in every process."""
    number = int.from_bytes(hashlib.blake2b(mql_id.encode(), digest_size=8).digest())
    opening = datetime.combine(day, ARRIVALS_FROM, ZONE)
    return opening.astimezone(UTC) + timedelta(seconds=number % ARRIVALS_SECONDS)


def parse_deal(row: dict[str, str]) -> Deal:
    """Raises KeyError or ValueError for a row that is not one of the publisher's."""
    won = datetime.fromisoformat(row["won_date"]).replace(tzinfo=UTC)
    local = won.astimezone(ZONE)
    day_only = local.time() == time(0)
    if day_only:
        won = datetime.combine(local.date(), DAY_ENDS, ZONE).astimezone(UTC)
    return Deal(
        mql_id=row["mql_id"],
        won_at=won,
        day_only=day_only,
        sr_id=row["sr_id"],
        sdr_id=row["sdr_id"],
        segment=row["business_segment"] or None,
        lead_type=row["lead_type"] or None,
        profiles=tuple(p.strip() for p in row["lead_behaviour_profile"].split(",") if p.strip()),
        has_company={"True": True, "False": False, "": None}[row["has_company"]],
        catalog_size=int(float(size)) if (size := row["declared_product_catalog_size"]) else None,
        monthly_revenue=float(row["declared_monthly_revenue"] or 0) or None,
    )


def roster(leads: Iterable[OlistLead], deals: Iterable[Deal]) -> list[dict[str, str]]:
    """Rows of reps.csv: everybody who closed a deal, then those who only qualified leads."""
    origins = {lead.mql_id: lead.origin for lead in leads}
    deals = list(deals)
    closers = sorted({deal.sr_id for deal in deals})
    qualifiers = {deal.sdr_id for deal in deals}
    special = _specialities(deals, origins)
    reps = [
        _rep(rep, "closing", ["closing", *special[rep], *(["first-contact"] if rep in qualifiers else [])])
        for rep in closers
    ]
    return reps + [_rep(rep, "first contact", ["first-contact"]) for rep in sorted(qualifiers - set(closers))]


def _rep(rep_id: str, team: str, groups: list[str]) -> dict[str, str]:
    return {
        "rep_id": rep_id,
        "name": f"{team} {rep_id[:6]}",
        "available": "yes",
        "time_zone": ZONE.key,
        "working_hours": "" if team == "closing" else "mon-fri 08:00-20:00; sat 09:00-13:00",
        "groups": ";".join(groups),
        "weight": "1",
        "team": team,
    }


def _specialities(deals: list[Deal], origins: dict[str, str | None]) -> dict[str, list[str]]:
    """The channels in which each closer won at least the share that all deals have there."""
    families = [(deal.sr_id, FAMILY_OF_ORIGIN.get(origins[deal.mql_id] or "")) for deal in deals]
    of_all = Counter(family for _, family in families)
    of_rep = Counter(families)
    won = Counter(rep for rep, _ in families)
    return {
        rep: [
            family
            for family in sorted(set(FAMILY_OF_ORIGIN.values()))
            if of_rep[rep, family] * len(families) >= of_all[family] * won[rep] > 0
        ]
        for rep in won
    }
