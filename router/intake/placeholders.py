"""What fills a field and means nobody: addresses, customer ids and test leads that stand for no person. Pure."""

import re
from collections.abc import Mapping

from router.domain.text import fold
from router.rules.free_mail import FREE_MAIL

_NOBODYS = frozenset(
    (
        *("none", "null", "nil", "nan", "na", "n/a", "undefined", "unknown", "invalid", "fake", "fakeemail", "dummy"),
        *("test", "tests", "testing", "tester", "testuser", "testemail", "testmail", "testlead", "mytest", "prueba"),
        *("noemail", "noemailaddress", "noemailprovided", "nomail", "noaddress", "notprovided", "notavailable"),
        *("notapplicable", "notgiven", "noname", "nobody", "asdf", "asdfasdf", "asdfgh", "asd", "qwerty", "qwertz"),
        *("qwe", "sememail", "semmail", "naotem", "naotememail", "naopossui", "naopossuiemail", "naoinformado"),
        *("nãotem", "nãopossui", "teste", "sinemail", "sincorreo", "notiene", "notienecorreo", "notieneemail"),
        *("ninguno", "nenhum", "aucun", "sansemail", "sansmail", "pasdemail", "pasemail", "keine", "keineemail"),
        *("keinemail", "ohneemail", "ohnemail", "unbekannt", "kein", "ohne", "xxx", "无", "没有", "暂无", "测试"),
    )
)
"""Before the @, wherever: without digits, dots and dashes."""
_VAGUE = frozenset(
    (
        *("email", "e-mail", "mail", "myemail", "youremail", "mymail", "user", "username", "name", "yourname", "nome"),
        *("nombre", "nom", "no", "nao", "não", "non", "nein", "nope", "not", "sem", "sin", "sans", "abc", "abcd"),
        *("abcde", "xyz", "foo", "bar", "foobar", "demo", "sample", "example", "someone", "somebody", "me", "you"),
        *("first.last", "firstname", "john.doe", "johndoe", "jane.doe", "contact", "address", "correo"),
    )
)
"""Before the @, where what follows is as vague."""
_VAGUE_HOSTS = frozenset(
    (
        *("email", "emails", "example", "sample", "test", "tests", "testing", "teste", "none", "null", "na", "no"),
        *("nao", "tem", "tiene", "possui", "provided", "available", "given", "noemail", "nomail", "domain", "domein"),
        *("yourdomain", "mydomain", "company", "yourcompany", "website", "site", "abc", "abcd", "xyz", "aaa", "asdf"),
        *("fake", "dummy", "invalid", "localhost", "nowhere", "nobody", "unknown", "foo", "bar", "foobar", "mailtest"),
    )
)
_NO_NAME = "0123456789._+-"
_SHORT = 2
_REPEATED = 4

_ERRORS = (
    "#n/a",
    "#n/v",
    "#nv",
    "#ref!",
    "#value!",
    "#wert!",
    "#valor!",
    "#valeur!",
    "#name?",
    "#null!",
    "#num!",
    "#div/0!",
)
"""What a spreadsheet writes where a formula failed."""
_EMPTY_WORDS = frozenset(("null", "(null)", "<null>", "\\n", "nil", "none", "nan", "n/a", "undefined", *_ERRORS))
_NO_ID = frozenset(
    (
        *("null", "nil", "none", "nan", "n/a", "n.a.", "n.a", "na", "n/d", "s/n", "undefined", "unknown", "empty"),
        *(
            "blank",
            "missing",
            "not available",
            "not set",
            "not given",
            "no id",
            "noid",
            "tbd",
            "tba",
            "default",
            "guest",
        ),
        *(
            "anonymous",
            "walk-in",
            "walkin",
            "dummy",
            "test",
            "teste",
            "prueba",
            "false",
            "unbekannt",
            "keine",
            "keiner",
        ),
        *("ohne", "leer", "k.a.", "k. a.", "vacio", "vacío", "ninguno", "sin datos", "no aplica", "vazio"),
        *("nenhum", "desconhecido", "nao informado", "não informado", "aucun", "inconnu", "néant", "neant", "vide"),
        *("nul", "\\n", "无", "暂无", *_ERRORS),
        *("空", "未知", "没有", "不详", "沒有", "匿名", "測試", "测试"),
    )
)
_ROUNDED = re.compile(r"[0-9][.,][0-9]+e\+?[0-9]{1,3}")
_SHORTENED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+E[+]?|E[+])[0-9]{1,3}", re.IGNORECASE)
_SAYS_SOMETHING = re.compile(r"[^\W_0]")
"""A letter, or a digit that is not zero."""
_ALNUM = re.compile(r"[^\W_]")
_LONGEST_EMPTY = max(map(len, _EMPTY_WORDS))
_NINES = 4
_AROUND_ID = "\"'`()[]{}<> "

_TEST_ADDRESSES = frozenset(("test@fb.com", "test@facebook.com", "test@meta.com"))
_DUMMY = "<test lead"
_TEST_FLAGS = frozenset(("is_test", "isTest", "is_test_lead", "isTestLead", "testLead", "test_lead"))
_TRUE = frozenset(("true", "1", "yes"))


def is_placeholder_email(address: str) -> bool:
    """Whether the address, in lower case, was typed to fill the form."""
    at = address.index("@")
    local, host = address[:at], address[at + 1 :]
    name = local.strip(_NO_NAME)
    if name in _NOBODYS or (not name.isalpha() and _joined(name) in _NOBODYS):
        return True
    label = host.partition(".")[0]
    # Nearly all addresses end here.
    if local != label and label not in _VAGUE_HOSTS and len(local) > 1 and local != local[0] * len(local):
        return False
    return _fills_a_form(local, label, host)


def _joined(name: str) -> str:
    # Four times faster than translate.
    return name.replace(".", "").replace("-", "").replace("_", "").replace("+", "")


def _fills_a_form(local: str, label: str, host: str) -> bool:
    one_sign = local == local[0] * len(local)
    if one_sign and (len(local) >= _REPEATED or local == "0" or (len(local) == 1 and host in FREE_MAIL)):
        return True
    if local == label:
        return one_sign or len(local) <= _SHORT or local.isdecimal() or local in _VAGUE or local in _VAGUE_HOSTS
    if len(local) == len(label) == 1:
        return True
    return label in _VAGUE_HOSTS and (local in _VAGUE or _joined(local) in _VAGUE)


def is_placeholder_id(text: str) -> bool:
    """Whether a declared customer id names no customer: it means that there is none, or a spreadsheet rounded it."""
    plain = fold(text).strip(_AROUND_ID)
    if plain in _NO_ID or "*" in plain or plain == "-1":
        return True
    if "e" in plain and (_ROUNDED.fullmatch(plain) is not None or is_rounded_id(plain)):
        return True
    return _SAYS_SOMETHING.search(plain) is None or (len(plain) >= _NINES and not plain.strip("9"))


def means_no_id(text: str) -> bool:
    """Whether an id of a lead means that there is none, or that its cell failed: `NULL`, `#N/A`, `-`, `####`.

    Fewer words than for customers: a lead may well have the id 0.
    """
    if text.isalnum():
        return len(text) <= _LONGEST_EMPTY and text.lower() in _EMPTY_WORDS
    return fold(text) in _EMPTY_WORDS or _ALNUM.search(text) is None


def is_rounded_id(text: str) -> bool:
    """Whether a spreadsheet shortened a long number: `1.18174E+11`. Only as they write it: `12E4` may well be an id."""
    return _SHORTENED.fullmatch(text if text.isascii() else fold(text)) is not None


def is_test_lead(values: Mapping[str, str], extra: Mapping[str, object]) -> bool:
    """Whether an advertising platform sent it to try out the way: `extra` are the columns that are not fields."""
    if extra and not _TEST_FLAGS.isdisjoint(extra):
        return any(str(extra[flag]).lower() in _TRUE for flag in _TEST_FLAGS & extra.keys())
    name = values.get("name") or values.get("phone") or values.get("email") or " "
    return name[0] == "<" and name.lower().startswith(_DUMMY)


def is_test_address(address: str) -> bool:
    """Whether an advertising platform sends its test leads with this address, in lower case."""
    return address in _TEST_ADDRESSES
