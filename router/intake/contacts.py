"""Who a lead is about: phone, e-mail address and customer id, each judged by whether it is somebody's. Pure.

What is not is kept as it came, and named as malformed: it says nothing about who the customer is.
"""

from collections.abc import Mapping

from router.intake.emails import read_email
from router.intake.phones import PhoneReader
from router.intake.placeholders import is_placeholder_email, is_placeholder_id, is_test_address, is_test_lead

CONTACTS = ("phone", "email", "customer_id")
"""The fields that say who a customer is, by the names that files use."""
NO_CONTACT = "no readable phone, no readable e-mail and no customer id: this lead cannot be reached (require_contact)"
TEST_LEAD = "a test lead of an advertising platform: there is no person behind it"
_NONE: frozenset[str] = frozenset()


Contacts = tuple[str | None, str | None, frozenset[str], str | None]
"""Phone (E.164) and e-mail (lower case), or as they came where the third, `malformed`, names them; `invalid` as in
LeadIn. A plain tuple, since every lead makes one.
"""


class ContactReader:
    """`region` as in PhoneReader; `required`: a lead that nobody can reach is invalid."""

    def __init__(self, region: str | None, *, required: bool) -> None:
        self._phones = PhoneReader(region)
        self._required = required

    @property
    def region(self) -> str | None:
        return self._phones.region

    def read(self, values: Mapping[str, str], extra: Mapping[str, object]) -> Contacts:
        """Those among the values of a lead's fields; `extra` are the columns that are not fields."""
        phone, email, customer_id = values.get("phone"), values.get("email"), values.get("customer_id")
        bad, invalid = _NONE, None
        if phone is not None:
            number = self._phones.read(phone)
            phone, bad = (number, bad) if number else (phone, bad | {"phone"})
        if email is not None:
            address = read_email(email)
            email = address or email
            if address is None or is_placeholder_email(address):
                bad = bad | {"email"}
                invalid = TEST_LEAD if is_test_address(email) else None
        if customer_id is not None and is_placeholder_id(customer_id):
            bad = bad | {"customer_id"}
        if is_test_lead(values, extra):
            invalid = TEST_LEAD
        elif self._required and invalid is None:
            given = (phone is not None) + (email is not None) + (customer_id is not None)
            if len(bad) == given:
                invalid = NO_CONTACT
        return phone, email, bad, invalid
