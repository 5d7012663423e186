"""Contacts as people, portals and spreadsheets write them: who is behind them, or nobody, but never another person."""

import unicodedata
from datetime import UTC, datetime

import phonenumbers
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from router.domain.phone_spellings import newest_spelling, spellings
from router.intake.emails import is_address, read_email
from router.intake.json_lead import JsonLeadReader, NotALead
from router.intake.normalise import LeadReader, Rejected
from router.intake.phone_plans import dialled_in, with_code
from router.intake.phones import PhoneReader
from router.intake.placeholders import is_placeholder_email, is_placeholder_id
from router.rules.customers import customer_keys
from router.rules.mapping import FileMapping, parse_mapping

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MASKS = "*•…#xX●＊×?█○_·■"
INVISIBLE = "\u200b\u200e\u200f\u202a\u202c\u2060\ufeff\u00ad\u2066"
REGIONS = ("CN", "DE", "US", "GB", "FR", "IT", "BR", "MX", "AR", "IN", "JP", "ES", "AU", "NL", "RU", "ZA")

AROUND = (
    *("{}", " {} ", "'{}", '="{}"', "Tel: {}", "tel.{}", "手机：{}", "{};", '"{}"', "{} ext. 12", "{}#7", "{}转801"),
    "{}\u00a0",
)


def phone(text: str, region: str | None = "CN") -> str | None:
    return PhoneReader(region).read(text)


def valid(region: str, tail: int, kind: int) -> str | None:
    """A valid number of the country in E.164: its example with other last digits."""
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None:
        return None
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    other = phonenumbers.parse(f"{text[:-4]}{tail:04}")
    return f"{text[:-4]}{tail:04}" if phonenumbers.is_valid_number(other) else None


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A valid number and its country."""
    region = draw(st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE]))
    number = valid(region, draw(st.integers(0, 9999)), kind)
    assume(number is not None)
    assert number is not None
    return number, region


def national_of(number: str) -> str:
    return str(phonenumbers.national_significant_number(phonenumbers.parse(number)))


def as_exponent(digits: str, decimals: int, point: str = ".") -> str:
    """As a spreadsheet shows a number with so many decimals of its mantissa."""
    return f"{digits[0]}{point}{digits[1 : 1 + decimals]}E+{len(digits) - 1}"


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, str]:
    """A valid number, its country, and a way in which somebody or some program may have written it."""
    number, region = draw(numbers())
    parsed = phonenumbers.parse(number)
    formats = [PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.RFC3966]
    with_code = [number, f"00{number[1:]}" if region not in ("US", "JP", "BR", "RU", "AU") else number]
    text = draw(st.sampled_from([*with_code, *(phonenumbers.format_number(parsed, kind) for kind in formats)]))
    text = draw(st.sampled_from(AROUND)).format(text)
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(INVISIBLE)) + text[place:]
    if draw(st.booleans()):
        text = text.translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    return number, region, text


@settings(max_examples=400, deadline=None)
@given(written())
def test_a_number_is_the_same_person_however_it_is_written(drawn: tuple[str, str, str]) -> None:
    number, region, text = drawn
    assert phone(text, region) == number


@settings(max_examples=300, deadline=None)
@given(numbers(), st.sampled_from(["{}.0", "{}.00", "{},0"]), st.sampled_from([".", ","]))
def test_a_spreadsheet_that_kept_all_digits_keeps_the_person(drawn: tuple[str, str], decimals: str, point: str) -> None:
    number, region = drawn
    for digits in (number[1:], national_of(number)):
        plain = phone(digits, region)
        assert phone(decimals.format(digits), region) == plain
        if not digits.startswith("0"):
            assert phone(as_exponent(digits, len(digits) - 1, point), region) == plain
            if digits[-1] != "0":
                assert phone(as_exponent(digits, len(digits) - 2, point), region) is None
        assert phone(as_exponent(digits, 2, point), region) is None


@settings(max_examples=300, deadline=None)
@given(numbers(), st.sampled_from(MASKS), st.integers(2, 5), st.integers(1, 8), st.sampled_from(["", "-", " "]))
def test_a_masked_number_ties_nobody(drawn: tuple[str, str], mask: str, hidden: int, start: int, sign: str) -> None:
    number, region = drawn
    for text in (number, national_of(number)):
        masked = text[:start] + sign + mask * hidden + sign + text[start + hidden :]
        assert phone(masked, region) is None
        # Not even where a number would be left.
        assert phone(text + mask * hidden, region) is None
        assert phone(mask * hidden + text, region) is None


@settings(max_examples=300, deadline=None)
@given(numbers(), st.sampled_from(["DE", "CN", "BR", "IN", "IT", None]))
def test_a_plus_that_is_missing_is_put_back_or_the_number_is_not_read(
    drawn: tuple[str, str], region: str | None
) -> None:
    number, home = drawn
    assert phone(number[1:], home) in (number, None)
    if phonenumbers.number_type(phonenumbers.parse(number)) == PhoneNumberType.MOBILE:
        assert phone(number[1:], home) == number
        # In a file of another country it is that number, or a valid one of that country, or none.
        read = phone(number[1:], region)
        assert read is None or read == number or phonenumbers.is_valid_number(phonenumbers.parse(read))


@given(st.text(alphabet="0123456789+-. ()/*#xX:=E'\"\u200b０", max_size=40), st.sampled_from([*REGIONS, None]))
@example("+" * 30, "CN")
@settings(max_examples=400, deadline=None)
def test_whatever_the_text_only_valid_numbers_are_read(text: str, region: str | None) -> None:
    read = phone(text, region)
    if read is not None:
        assert phonenumbers.is_valid_number(phonenumbers.parse(read))
        plain = unicodedata.normalize("NFKC", text)
        shown = [digit for digit in plain if digit.isdecimal()]
        # A number is not made of less than what was written of it.
        assert len(shown) >= len(national_of(read)) - 1


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        # masked-contacts, unreadable-phones, numbers-from-a-spreadsheet, local-numbers, numbers-without-plus
        *((text, "CN", None) for text in ("138****1234", "138-****-1234", "138xxxx1234", "13812****34")),
        *((text, "CN", None) for text in ("1.39E+10", "1.38E+10", "see notes", "13800001234/13900001234")),
        *((text, "CN", None) for text in ("Wechat: abc", "13800001234 (spouse)", "62340001", "138...1234")),
        *((text, "CN", "+8613812345679") for text in ("13812345679", "13812345679.0", "1.3812345679E10")),
        *((text, "DE", "+4915100000017") for text in ("4915100000017", "+49 151 00000017", "0151 00000017")),
        ("138123...4567", "US", None),
        ("202--555-0123", "US", "+12025550123"),
        ("2345678", "US", None),
        ("8613812345679", "DE", "+8613812345679"),
        ("8613812345679", None, "+8613812345679"),
        ("13812345679", None, None),
        ("13,812,345,679", "CN", "+8613812345679"),
        ("+49 (0)151 00000017", None, "+4915100000017"),
        ("110", "CN", None),
        ("1" * 5000, "CN", None),
        ("+٨٦١٣٨١٢٣٤٥٦٧٩", None, "+8613812345679"),
    ],
)
def test_a_number_is_read_only_where_it_is_certain(text: str, region: str | None, number: str | None) -> None:
    assert phone(text, region) == number


TWO_WAYS = [
    ("MX", ("+52 1 55 1234 5681", "+52 55 1234 5681", "55 1234 5681", "044 55 1234 5681", "5215512345681")),
    ("BR", ("+55 11 98765 4329", "+55 11 8765-4329", "11 8765 4329", "551187654329", "(11) 98765-4329")),
    ("AR", ("+54 9 11 2345 6781", "+54 11 2345 6781", "011 15 2345-6781", "11 2345 6781", "+54 11 15 2345 6781")),
]


@pytest.mark.parametrize(("region", "texts"), TWO_WAYS)
def test_a_number_that_a_country_writes_in_two_ways_is_one_customer(region: str, texts: tuple[str, ...]) -> None:
    reader = LeadReader(FileMapping(default_phone_region=region), NOW)
    leads = [reader.read({"external_id": str(n), "phone": text}) for n, text in enumerate(texts)]
    assert {key.name for key in customer_keys(leads[0])} == {key.name for lead in leads for key in customer_keys(lead)}
    assert len({people for lead in leads for key in customer_keys(lead) for people in key.people}) == 1
    if region != "AR":
        assert len({lead.phone for lead in leads}) == 1


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.integers(0, 10), st.text("0123456789", max_size=6))
def test_the_quick_pattern_of_a_country_holds_only_valid_numbers_without_a_prefix(
    region: str, kind: int, tail: str
) -> None:
    example_number = phonenumbers.example_number_for_type(region, kind)
    assume(example_number is not None)
    assert example_number is not None
    national = phonenumbers.national_significant_number(example_number)
    national = national[: len(national) - len(tail)] + tail
    code = phonenumbers.country_code_for_region(region)
    for text, home, pattern in (
        (national, region, dialled_in(region, 12)),
        (f"+{code}{national}", None, with_code(str(code))),
    ):
        if pattern is not None and pattern.fullmatch(text):
            number = phonenumbers.parse(text, home)
            assert phonenumbers.is_valid_number(number)
            assert phonenumbers.format_number(number, PhoneNumberFormat.E164) == f"+{code}{national}"
            assert phone(text, home) == f"+{code}{national}"


@given(numbers())
def test_all_spellings_of_a_number_are_each_others(drawn: tuple[str, str]) -> None:
    number, _ = drawn
    for one in spellings(number):
        assert spellings(one) == spellings(number)
    assert newest_spelling(newest_spelling(number)) == newest_spelling(number)
    assert number in spellings(number)


locals_ = st.from_regex(r"[a-wyz][a-wyz0-9]{2,8}([._+-][a-wyz0-9]{1,5})?", fullmatch=True)
hosts = st.from_regex(r"[a-wyz]{2,8}(-[a-wyz]{2,5})?\.(com|de|co\.uk|cn)", fullmatch=True)
addresses = st.builds("{}@{}".format, locals_, hosts)
WRAPPED = (
    *("{}", " {} ", "<{}>", "Ann Example <{}>", '"Lin, T." <{}>', "mailto:{}", "MAILTO:{}?subject=Hi", "<mailto:{}>"),
    *("({})", "[{}]", "{};", "{}.", "'{}'", "E-Mail: {}", "{}\u00a0", "“{}”"),
)


@settings(max_examples=150)
@given(addresses, st.sampled_from(WRAPPED), st.data())
def test_an_address_is_the_same_person_whatever_is_around_it(address: str, wrap: str, data: st.DataObject) -> None:
    text = wrap.format(data.draw(st.sampled_from([address, address.upper()])))
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.sampled_from(INVISIBLE)) + text[place:]
    assert read_email(text) == address


@settings(max_examples=150)
@given(addresses, st.sampled_from([mask for mask in MASKS if mask not in "_·"] + ["."]), st.integers(3, 6), st.data())
def test_a_masked_address_ties_nobody(address: str, mask: str, hidden: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, address.index("@")))
    host = address.index("@") + 1
    for masked in (
        address[:place] + mask * hidden + address[place + hidden :],
        address[:place] + mask * hidden + address[address.index("@") :],
        address[:host] + mask * hidden + address[address.rindex(".") :],
    ):
        assert read_email(masked) is None


@given(st.text(max_size=40) | st.text(alphabet="ab@.<>;:, *-_x…", max_size=30))
def test_what_is_read_is_an_address(text: str) -> None:
    if (address := read_email(text)) is not None:
        assert is_address(address)
        assert read_email(address) == address


NOT_ONE = ("a@x.com; b@x.com", "a@x.com b@x.com", "a@x.com/b@x.com", "lin@qq", "lin(at)co.cn", "lin@x_y.cn", "@x.cn")


@pytest.mark.parametrize("text", [*NOT_ONE, "见微信"])
def test_what_is_not_one_address_ties_nobody(text: str) -> None:
    assert read_email(text) is None


FILLERS = """
    email@email.com test@test.com a@a.com na@na.com none@none.com nao@tem.com xxx@xxx.com test@fb.com no@no.com
    test123@gmail.com noemail@gmail.com no-email@firma.de not@provided.com a@b.com asdf@asdf.com 123@123.com
    aaaa@gmail.com user@example.com name@domain.com n/a@n.com sememail@email.com keine@keine.de x@gmail.com
"""
OF_PEOPLE = """
    lin@example.com peter@peter.de maria@email.com 123456@qq.com anna@test-gmbh.de contest@web.de nat@nat.org
    info@info.de protest@web.de abc@firma.de jo.smith@gmail.com notary@co.cn
"""


@pytest.mark.parametrize("address", FILLERS.split())
def test_addresses_that_only_fill_a_form_tie_nobody(address: str) -> None:
    assert is_placeholder_email(address)
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "email": address})
    assert customer_keys(lead) == ()


@pytest.mark.parametrize("address", OF_PEOPLE.split())
def test_addresses_of_people_that_look_a_little_like_it_tie_them(address: str) -> None:
    assert not is_placeholder_email(address)


NO_IDS = ("0", "000", "NULL", "N/A", "n/a", "-", "--", "—", "none", "(null)", "#N/A", "无", "未知", "0.0", "-1", "9999")


@pytest.mark.parametrize("text", [*NO_IDS, "Unknown", "C***1", "########", "#VALOR!"])
def test_a_customer_id_that_names_nobody_ties_nobody(text: str) -> None:
    assert is_placeholder_id(text)
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "customer_id": text})
    assert (customer_keys(lead), lead.declared_customer) == ((), text)


@pytest.mark.parametrize(
    "text", ["1", "4711", "00012", "C-1", "NAOMI", "9998", "客户1", "10E5", "acme-0", "Müller", "999"]
)
def test_a_customer_id_of_somebody_ties_them(text: str) -> None:
    assert not is_placeholder_id(text)


def test_characters_that_nobody_sees_do_not_make_two_regions_or_two_people_of_one() -> None:
    reader = LeadReader(parse_mapping("default_phone_region: CN", "m.yaml"), NOW)
    row = {"external_id": "R-1", "source": "web", "region": "Shanghai", "email": "lin@example.com", "customer_id": "C1"}
    plain = reader.read(row)
    for sign in INVISIBLE:
        assert reader.read({column: f"{value}{sign}" for column, value in row.items()}) == plain
        assert reader.read({column: f" {sign}{value[:2]}{sign}{value[2:]}" for column, value in row.items()}) == plain
    family = "👩\u200d🚀 می\u200cخواهم"
    assert reader.read({**row, "name": family}).name == family


@pytest.mark.parametrize(
    "row",
    [
        {"email": "test@fb.com"},
        {"name": "<test lead: dummy data for full_name>"},
        {"phone": "<test lead: dummy data for phone_number>"},
        {"name": "FirstName LastName", "is_test": True},
        {"name": "Ann", "isTest": "true"},
    ],
)
def test_a_test_lead_of_a_platform_is_parked_and_takes_nobodys_time(row: dict[str, object]) -> None:
    read = LeadReader(FileMapping(), NOW).read({"external_id": "1", **row})
    assert read.invalid is not None
    assert "test lead" in read.invalid
    assert LeadReader(FileMapping(), NOW).read({"external_id": "1", "name": "Ann", "is_test": False}).invalid is None


@pytest.mark.parametrize("text", ["1.18174E+11", "1,18174e+11", "9E+15", "-1.2E+12"])
def test_an_id_that_a_spreadsheet_rounded_makes_no_two_people_one(text: str) -> None:
    """The case ids-rounded-by-a-spreadsheet."""
    reader = LeadReader(parse_mapping("rename: {Record ID: external_id}", "m.yaml"), NOW)
    with pytest.raises(Rejected, match="rounded by a spreadsheet") as raised:
        reader.read({"Record ID": text, "source": "hubspot"})
    assert raised.value.column == "Record ID"


@pytest.mark.parametrize("text", ["1.23457E+12", "1,23457e+012", "１.２E+11", "5E+14"])
def test_a_customer_id_that_a_spreadsheet_rounded_is_refused_as_clearly_as_an_external_id(text: str) -> None:
    row = {"external_id": "1", "source": "hubspot", "Account ID": text}
    reader = LeadReader(parse_mapping("rename: {Account ID: customer_id}", "m.yaml"), NOW)
    with pytest.raises(Rejected, match="rounded by a spreadsheet, so that different customers") as raised:
        reader.read(row)
    assert raised.value.column == "Account ID"
    with pytest.raises(NotALead) as over_http:
        JsonLeadReader(NOW).read({"external_id": "1", "source": "web", "customer_id": text})
    assert [error.path for error in over_http.value.errors] == [("customer_id",)]
    allowed = LeadReader(parse_mapping("rename: {Account ID: customer_id}\nallow_rounded_ids: true", "m.yaml"), NOW)
    lead = allowed.read(row)
    assert (lead.declared_customer, lead.malformed) == (text, frozenset({"customer_id"}))


def test_an_id_that_is_computed_from_a_rounded_column_is_refused() -> None:
    reader = LeadReader(parse_mapping("external_id: {columns: [Phone, Day], as: hash}", "m.yaml"), NOW)
    with pytest.raises(Rejected, match="the external id is computed from it") as raised:
        reader.read({"Phone": "1.38E+10", "Day": "2"})
    assert raised.value.column == "Phone"


@pytest.mark.parametrize("text", ["NULL", "#N/A", "-", "########", "none", "\\N", "#REF!", "(null)", "……", "*"])
def test_an_id_that_means_none_is_no_id(text: str) -> None:
    """Else all such rows are one lead, and but the first of them are lost."""
    with pytest.raises(Rejected, match="means that there is none"):
        LeadReader(FileMapping(), NOW).read({"external_id": text, "source": "web"})


@pytest.mark.parametrize("text", ["0", "9999", "test", "nulla", "N-A-1", "#1", "无"])
def test_a_short_id_is_an_id(text: str) -> None:
    assert LeadReader(FileMapping(), NOW).read({"external_id": text}).external_id == text


@pytest.mark.parametrize("text", ["12E4", "118174000001", "A1.2E+11", "1.18174E11-x", "E+11", "+49 1E+2x"])
def test_an_id_that_only_looks_a_little_like_it_is_one(text: str) -> None:
    reader = LeadReader(parse_mapping("default_phone_region: CN", "m.yaml"), NOW)
    assert reader.read({"external_id": text, "source": "hubspot"}).external_id == text


@pytest.mark.parametrize(
    ("region", "text"),
    [
        *(("US", "202-555-0123"), ("US", "212-555-1212"), ("US", "(415) 555 0199"), ("GB", "020 7946 0123")),
        *(("IN", "9876543210"), ("DE", "+49 30 123456"), ("US", "5555555555"), ("CN", "13888888888")),
    ],
)
def test_numbers_of_films_and_of_fillers_tie_nobody(region: str, text: str) -> None:
    reader = LeadReader(parse_mapping(f"default_phone_region: {region}", "m.yaml"), NOW)
    assert customer_keys(reader.read({"external_id": "1", "source": "web", "phone": text})) == ()


FILLERS = """
    aaa@gmail.com 123@gmail.com 111@qq.com nichtvorhanden@gmail.com naotenho@gmail.com semnome@gmail.com guest@guest.com
    customer@customer.com cliente@cliente.com kunde@kunde.de client@client.fr anonimo@gmail.com asdasd@asdasd.com
    dfgdfg@dfgdfg.com admin@admin.com temp@temp.com your@email.com ihre@email.de nombre@correo.com hidden@privacy.com
"""


@pytest.mark.parametrize("address", FILLERS.split())
def test_more_addresses_that_fill_a_form_tie_nobody(address: str) -> None:
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "source": "web", "email": address})
    assert customer_keys(lead) == ()


@pytest.mark.parametrize(
    "address", ["abcdef@gmail.com", "12345@qq.com", "anna@anna-bau.de", "bosch@bosch.de", "7@co.cn"]
)
def test_short_and_plain_addresses_of_people_tie_them(address: str) -> None:
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "source": "web", "email": address})
    assert len(customer_keys(lead)) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("{{contact.id}}", "${id}", "%CUSTOMER_ID%", "*|CUSTOMER|*", "[object Object]", "●●●1", "C■■■", "xxx", "XX"),
        *("ffffffff-ffff-ffff-ffff-ffffffffffff", "1111111", "123456789", "Gast", "invité", "anónimo", "なし", "없음"),
        *("keine Angabe", "sem cliente", "Walk-In Customer", "new", "not assigned", "нет"),
    ],
)
def test_more_customer_ids_that_name_nobody_tie_nobody(text: str) -> None:
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "source": "web", "customer_id": text})
    assert (customer_keys(lead), lead.declared_customer) == ((), text)


@pytest.mark.parametrize("text", ["{{lead.id}}", "${lead_id}", "%LEAD_ID%", "[object Object]"])
def test_an_id_that_a_form_did_not_fill_in_is_no_id(text: str) -> None:
    with pytest.raises(Rejected, match="means that there is none"):
        LeadReader(FileMapping(), NOW).read({"external_id": text, "source": "web"})


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        *(
            (text, "DE", None)
            for text in ("030 12345/12346", "0301234 0305678", "+49 30 12345/12346", "0711 123456/78")
        ),
        *((text, "DE", "+497111234567") for text in ("0711/1234567", "0711 / 123 45 67", "+49 (0)711 / 1234567")),
        ("0711/123456-12", "DE", "+4971112345612"),
        ("+43 (0) 1 / 2345678", None, "+4312345678"),
        ("021-62340001-801", "CN", "+862162340001"),
        ("+86 21 62340001-801", None, "+862162340001"),
        ("13812345679-801", "CN", None),
    ],
)
def test_two_numbers_where_a_country_leaves_the_length_open_are_not_one(
    text: str, region: str | None, number: str | None
) -> None:
    assert phone(text, region) == number


@settings(max_examples=200, deadline=None)
@given(numbers(), numbers(), st.sampled_from([" / ", "/"]))
def test_two_numbers_in_a_cell_are_nobodys(first: tuple[str, str], second: tuple[str, str], between: str) -> None:
    one = phonenumbers.format_number(phonenumbers.parse(first[0]), PhoneNumberFormat.NATIONAL)
    other = phonenumbers.format_number(phonenumbers.parse(second[0]), PhoneNumberFormat.NATIONAL)
    assert phone(f"{one}{between}{other}", first[1]) is None


@pytest.mark.parametrize("address", ["ann@shop.invalid", "a.b@mail.test"])
def test_an_address_that_cannot_exist_ties_nobody(address: str) -> None:
    assert is_placeholder_email(address)


@pytest.mark.parametrize("local", ["no.reply", "no_reply", "noreply", "do.not.reply", "do_not_reply"])
def test_an_address_of_a_program_ties_nobody(local: str) -> None:
    lead = LeadReader(FileMapping(), NOW).read({"external_id": "1", "email": f"{local}@portal.com"})
    assert customer_keys(lead) == ()


@pytest.mark.parametrize("field", ["external_id", "customer_id"])
def test_an_id_that_a_program_wrote_with_decimals_is_the_one_without(field: str) -> None:
    reader = LeadReader(FileMapping(), NOW)
    row = {"external_id": "1", "source": "web"}
    assert reader.read({**row, field: "1001.0"}) == reader.read({**row, field: "1001"})
    assert reader.read({**row, "external_id": "v1.0"}).external_id == "v1.0"
    # Over HTTP a program says what it means.
    assert JsonLeadReader(NOW).read({"external_id": "1001.0", "source": "web"}).external_id == "1001.0"
