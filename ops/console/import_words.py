"""What a person should know of a file that was checked or imported, in the language of the page. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ops.documents.import_columns import ATTRIBUTE, DROPPED
from ops.text.translation import N_, Say
from ops.why.codes import FIELDS

_LONGEST_NAME = 100
BECAME: Mapping[str, str] = {ATTRIBUTE: N_("kept as attribute"), DROPPED: N_("ignored")}
_UNREADABLE: Mapping[str, str] = {
    "phone": N_(
        "{bad:,} of {given:,} phone numbers are not valid; they are kept as text, and not used to find the customer"
    ),
    "email": N_(
        "{bad:,} of {given:,} e-mail addresses are not those of a person; they are not used to find the customer"
    ),
    "customer_id": N_("{bad:,} of {given:,} customer ids cannot be used to find the customer"),
}


def field_words(field: str, say: Say) -> str:
    """A field of a lead; `attribute` and `dropped` are what becomes of other columns."""
    return say.gettext(BECAME[field] if field in BECAME else FIELDS.get(field, field))


def suggested_mapping(columns: Sequence[Mapping[str, Any]] | None) -> str:
    """The mapping that says what columns seem to mean; empty where nothing is suggested. Names that a mapping does not
    take, of several lines or very long, are left to people.
    """
    found = [(one["column"], one["suggestion"]) for one in columns or () if one["suggestion"] and _fits(one["column"])]
    if not found:
        return ""
    return "rename:\n" + "".join(f"  {_quoted(column)}: {field}\n" for column, field in found)


def _fits(column: str) -> bool:
    return column.isprintable() and len(column) <= _LONGEST_NAME


def _quoted(text: str) -> str:
    """As a text of YAML, which one of JSON is, too."""
    return json.dumps(text, ensure_ascii=False)


def warnings(result: Mapping[str, Any], say: Say) -> Iterator[str]:
    """Sentences on what may be other than it was meant, what matters most first."""
    if unseen := result["unseen"]:
        yield say.gettext("No row has what the mapping names: {columns}").format(columns=say.gettext(", ").join(unseen))
    if suggestions := [one for one in result["columns"] or () if one["suggestion"]]:
        names = say.gettext(", ").join(one["column"] for one in suggestions)
        yield say.gettext("Columns that are kept as attributes and may be fields: {columns}").format(columns=names)
    for field, found in result["unreadable"].items():
        if field in _UNREADABLE:
            words = say.gettext(_UNREADABLE[field]).format(bad=found["unreadable"], given=found["given"])
            if "hint" in found:
                words += say.gettext("; ") + say.gettext(
                    "numbers without a country code need default_phone_region in the mapping, such as CN or DE"
                )
            yield words
    yield from _of_customers(result, say)
    if differing := result["differing"]:
        words = say.ngettext(
            "{count:,} lead that is there already differs from this file; what is stored stays",
            "{count:,} leads that are there already differ from this file; what is stored stays",
            differing,
        )
        yield words.format(count=differing)
    if times := result["times_without_offset"]:
        words = say.ngettext(
            "{count:,} time without an offset is read on the clock of {zone}",
            "{count:,} times without an offset are read on the clock of {zone}",
            times,
        )
        yield words.format(count=times, zone=result["time_zone"])
    if doubt := result["zone_doubt"]:
        yield say.gettext(
            "The name of their column may say another zone ({doubt}); if it is theirs, "
            "write it in the mapping: time_zone"
        ).format(doubt=doubt)
    for field, cells in result["failed_cells"].items():
        words = say.ngettext(
            "{field}: {count:,} cell with no value (such as #N/A or NULL) is read as empty",
            "{field}: {count:,} cells with no value (such as #N/A or NULL) are read as empty",
            cells,
        )
        yield words.format(field=field_words(field, say), count=cells)
    if blank := result["blank_rows"]:
        yield say.ngettext("{count:,} blank row is skipped", "{count:,} blank rows are skipped", blank).format(
            count=blank
        )


def _of_customers(result: Mapping[str, Any], say: Say) -> Iterator[str]:
    if same := result["same_ids"]:
        words = say.ngettext(
            "{count:,} new lead has the external id of a lead from another source: if it is the same lead, "
            "write ids_unique_over_sources: true in the mapping",
            "{count:,} new leads have the external id of a lead from another source: if each is the same lead, "
            "write ids_unique_over_sources: true in the mapping",
            same,
        )
        yield words.format(count=same)
    if shared := result["shared_keys"]:
        words = say.ngettext(
            "{count:,} phone number or address is that of many people, and is not used to find the customer",
            "{count:,} phone numbers or addresses are those of many people, and are not used to find the customer",
            shared,
        )
        yield words.format(count=shared)
    if overlapping := result["overlapping"]:
        words = say.ngettext(
            "{count:,} lead has contacts of two customers; if the two are one, merge them",
            "{count:,} leads have contacts of two customers; if the two are one, merge them",
            overlapping,
        )
        yield words.format(count=overlapping)
