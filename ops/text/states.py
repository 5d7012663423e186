"""The English words of the states of a lead; whoever shows one translates it: `say.gettext(STATES[state])`."""

from collections.abc import Mapping

from ops.text.translation import N_

STATES: Mapping[str, str] = {
    "waiting": N_("waiting"),
    "assigned": N_("assigned"),
    "parked": N_("parked"),
    "merged": N_("merged"),
    "closed": N_("closed"),
    "archived": N_("archived"),
    "removed": N_("removed"),
    "nowhere": N_("nowhere"),
}
