"""9,240 enquiries at a school for working people, as its CRM exported them: dirty, and without times.

The data stay where they are (`data_folder`); only code is here. The file is imported as it is, with the mapping and
the synonyms below. Nobody knows who worked there, so the roster is made up; whoever converted was won.
"""

from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from loadtest.datasets.dataset import Dataset, Outcome, folder_of, rows
from router.store.assignments import Ending

NAME = "x_education"
ZONE = ZoneInfo("Asia/Kolkata")
FILE = "Leads.csv"
MAPPING = """\
# Reads the export of the CRM. "Select" is what its forms show where nobody chose anything; the columns that are
# dropped are known only when it is over.
rename:
  Prospect ID: external_id
  Lead Source: source
  Lead Origin: campaign
  Country: region
  Specialization: industry
empty: [Select]
values:
  source: {Live Chat: chat, Olark Chat: chat, Click2call: chat, testone: test}
  region: {unknown: elsewhere, Asia/Pacific Region: elsewhere}
drop: [Converted, Tags, Lead Quality, Lead Profile, Last Activity, Last Notable Activity]
"""
SYNONYMS = [
    {"field": field, "word": word, "spelling": spelling}
    for field, word, spelling in (
        ("industry", "E-COMMERCE", "e-business"),
        ("source", "welearnblog_Home", "welearn"),
        ("source", "Pay per Click Ads", "google"),
        ("source", "youtubechannel", "social media"),
        ("source", "Facebook", "social media"),
    )
]
# Counsellors of each group; who is in `abroad` speaks to people in other time zones.
DESKS = {"search": 14, "direct": 8, "chat": 6, "references": 4, "abroad": 2}


def data_folder() -> Path:
    """Raises DataMissing."""
    return folder_of(NAME, [FILE], "the lead scoring data of X Education")


def dataset(most: int | None = None) -> Dataset:
    """All enquiries: a file is imported whole. `most` bounds only the outcomes that are booked. Raises DataMissing."""
    path = data_folder() / FILE
    won = (row["Prospect ID"] for row in rows(path) if row["Converted"] == "1")
    return Dataset(
        name=NAME,
        zone=ZONE,
        roster=roster(),
        outcomes=[Outcome(key, Ending.WON) for key in islice(won, most)],
        mapping=MAPPING,
        file=path,
        synonyms=SYNONYMS,
    )


def roster() -> list[dict[str, str]]:
    """Rows of reps.csv; everybody is there at any hour, since no enquiry says when it came."""
    return [
        {
            "rep_id": f"{desk}-{number}",
            "name": f"counsellor {number} of {desk}",
            "available": "yes",
            "time_zone": ZONE.key,
            "working_hours": "always",
            "groups": desk,
            "weight": "1" if number > 1 else "1.5",
        }
        for desk, size in DESKS.items()
        for number in range(1, size + 1)
    ]
