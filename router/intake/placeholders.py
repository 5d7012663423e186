"""What fills a field and means nobody: addresses, customer ids and test leads that stand for no person. Pure."""

import re
from collections.abc import Mapping

from router.domain.text import fold
from router.domain.worded import Worded, worded
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
        *(
            "nichtvorhanden",
            "naotenho",
            "nomeuemail",
            "semnome",
            "semcontato",
            "anonymous",
            "anonimo",
            "anónimo",
            "anonym",
        ),
        *("anonyme", "notengo", "nopossuo", "keinemailadresse", "aucunmail", "jenaipas", "asdasd", "sdfsdf", "dfgdfg"),
        *("keinemail", "ohneemail", "ohnemail", "unbekannt", "kein", "ohne", "xxx", "无", "没有", "暂无", "测试"),
    )
)
"""Before the @, wherever: without digits, dots and dashes."""
_VAGUE = frozenset(
    (
        *("email", "e-mail", "mail", "myemail", "youremail", "mymail", "user", "username", "name", "yourname", "nome"),
        *("nombre", "nom", "no", "nao", "não", "non", "nein", "nope", "not", "sem", "sin", "sans", "abc", "abcd"),
        *("abcde", "xyz", "foo", "bar", "foobar", "demo", "sample", "example", "someone", "somebody", "me", "you"),
        *(
            "guest",
            "customer",
            "cliente",
            "kunde",
            "client",
            "admin",
            "temp",
            "todo",
            "tbd",
            "your",
            "ihre",
            "deine",
            "tu",
        ),
        *(
            "votre",
            "seu",
            "hidden",
            "private",
            "privacy",
            "gast",
            "invitado",
            "usuario",
            "benutzer",
            "utilisateur",
            "muster",
        ),
        *("first.last", "firstname", "john.doe", "johndoe", "jane.doe", "contact", "address", "correo"),
    )
)
"""Before the @, where what follows is as vague."""
_VAGUE_HOSTS = frozenset(
    (
        *("email", "emails", "example", "sample", "test", "tests", "testing", "teste", "none", "null", "na", "no"),
        *("nao", "tem", "tiene", "possui", "provided", "available", "given", "noemail", "nomail", "domain", "domein"),
        *("yourdomain", "mydomain", "company", "yourcompany", "website", "site", "abc", "abcd", "xyz", "aaa", "asdf"),
        *(
            "correo",
            "privacy",
            "beispiel",
            "ejemplo",
            "exemplo",
            "exemple",
            "muster",
            "dominio",
            "domaine",
            "mailadresse",
        ),
        *("fake", "dummy", "invalid", "localhost", "nowhere", "nobody", "unknown", "foo", "bar", "foobar", "mailtest"),
    )
)
_NO_DOMAINS = (".invalid", ".test")
"""No address can end so: these are reserved."""
_NO_NAME = "0123456789._+-"
_SHORT = 2
_REPEATED = 4
_SHORTEST = {"gmail.com": 6, "googlemail.com": 6, "qq.com": 5}
"""Shorter names these providers never gave; those of QQ's numbers."""
_NUMBERED = "qq.com"
_NEVER_SHORT = 6
_IN_A_ROW = 6
_DIGITS = "01234567890123456789"

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
_FAILED = frozenset(("null", "(null)", "<null>", "\\n", *_ERRORS))
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
        *(
            "desconocido",
            "不明",
            "なし",
            "없음",
            "нет",
            "gast",
            "invité",
            "invitado",
            "visitante",
            "anonym",
            "anonyme",
            "anónimo",
        ),
        *(
            "anônimo",
            "walk in",
            "walk-in customer",
            "no customer",
            "kein kunde",
            "sin cliente",
            "sem cliente",
            "new",
            "neu",
        ),
        *(
            "pas de client",
            "nuevo",
            "novo",
            "nouveau",
            "infinity",
            "no",
            "nein",
            "non",
            "não",
            "nicht vorhanden",
            "s/d",
        ),
        *("not assigned", "unassigned", "keine angabe", "entfällt", "n.v.", "s.d.", "customer_id", "customerid", "id"),
        *("customer id", "contact.id", "object object", "nicht zugeordnet", "non renseigné", "non renseigne", "s. d."),
        *("空", "未知", "没有", "不详", "沒有", "匿名", "測試", "测试"),
    )
)
_ROUNDED = re.compile(r"[0-9][.,][0-9]+e\+?[0-9]{1,3}")
_SHORTENED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+E[+]?|E[+])[0-9]{1,3}", re.IGNORECASE)
_SAYS_SOMETHING = re.compile(r"[^\W_0]")
"""A letter, or a digit that is not zero."""
_TOTALS = frozenset(
    (
        *(
            "total",
            "totals",
            "grand total",
            "subtotal",
            "sum",
            "summe",
            "gesamt",
            "gesamtergebnis",
            "gesamtsumme",
            "suma",
        ),
        *("total general", "somme", "total général", "soma", "total geral", "итого"),
        *("合计", "总计", "小计", "合計", "總計"),
    )
)
_NAMES_OF_IDS = (
    *("external_id", "external id", "id", "lead id", "lead_id", "leadid", "lead-id", "record id", "编号", "序号"),
    *("线索编号", "线索id", "線索編號", "編號", "序號", "kennung", "identifiant", "identificador", "código"),
)
"""What stands in the first cell of a second line of names, which some programs write for people."""
_NO_LEADS = {
    **dict.fromkeys(_TOTALS, worded("a line of totals")),
    **dict.fromkeys(_NAMES_OF_IDS, worded("a second line of column names")),
}
_LONGEST_TOTAL = max(map(len, _NO_LEADS)) + 2
_ALNUM = re.compile(r"[^\W_]")
_LONGEST_EMPTY = max(map(len, _EMPTY_WORDS))
_NINES = 4
_SEVEN = 7
_MASKS = frozenset("*•●■□█○◆※×…＊＃")
_TEMPLATE = re.compile(r"\{\{.*\}\}|\$\{.*\}|\{%.*%\}|<%.*%>|%[A-Z_]+%|\*\|.*\|\*|\[object Object\]|__[A-Z_]+__")
"""What a form or an e-mail was to fill in, and did not."""
_AROUND_ID = "\"'`()[]{}<> "

_TEST_ADDRESSES = frozenset(("test@fb.com", "test@facebook.com", "test@meta.com"))
_DUMMY = "<test lead"
_TEST_FLAGS = frozenset(("is_test", "isTest", "is_test_lead", "isTestLead", "testLead", "test_lead"))
_TRUE = frozenset(("true", "1", "yes"))


def is_placeholder_email(address: str) -> bool:
    """Whether the address, in lower case, was typed to fill the form."""
    # Two letters that few addresses end in, before what costs more.
    if address[-1] in "dt" and address.endswith(_NO_DOMAINS):
        return True
    at = address.index("@")
    local, host = address[:at], address[at + 1 :]
    name = local.strip(_NO_NAME)
    if name in _NOBODYS or (not name.isalpha() and _joined(name) in _NOBODYS):
        return True
    label = host.partition(".")[0]
    # Nearly all addresses end here.
    if local != label and label not in _VAGUE_HOSTS and len(local) >= _NEVER_SHORT and not local.isdecimal():
        return local == local[0] * len(local) and _fills_a_form(local, label, host)
    return _fills_a_form(local, label, host)


def _joined(name: str) -> str:
    # Four times faster than translate.
    return name.replace(".", "").replace("-", "").replace("_", "").replace("+", "")


def _is_doubled(local: str) -> bool:
    half = len(local) // 2
    return half > 1 and local == local[:half] * 2


def _fills_a_form(local: str, label: str, host: str) -> bool:
    one_sign = local == local[0] * len(local)
    shortest = _SHORTEST.get(host)
    if shortest is not None and (local.isdecimal() if host == _NUMBERED else local.isalnum()) and len(local) < shortest:
        return True
    if len(local) >= _IN_A_ROW and local in _DIGITS and host in FREE_MAIL and host != _NUMBERED:
        return True
    if one_sign and (len(local) >= _REPEATED or local == "0" or (len(local) == 1 and host in FREE_MAIL)):
        return True
    if local == label:
        return (
            one_sign
            or _is_doubled(local)
            or len(local) <= _SHORT
            or local.isdecimal()
            or local in _VAGUE
            or local in _VAGUE_HOSTS
        )
    if len(local) == len(label) == 1:
        return True
    return label in _VAGUE_HOSTS and (local in _VAGUE or _joined(local) in _VAGUE)


def is_placeholder_id(text: str) -> bool:
    """Whether a declared customer id names no customer: it means that there is none, or a spreadsheet rounded it."""
    if _TEMPLATE.search(text) is not None:
        return True
    plain = fold(text).strip(_AROUND_ID)
    if plain in _NO_ID or not _MASKS.isdisjoint(plain) or plain == "-1":
        return True
    if len(plain) >= _SEVEN and (plain in _DIGITS or plain == plain[0] * len(plain) or not plain.strip("f-")):
        return True
    if len(plain) > 1 and not plain.strip("x"):
        return True
    if "e" in plain and (_ROUNDED.fullmatch(plain) is not None or is_rounded_id(plain)):
        return True
    return _SAYS_SOMETHING.search(plain) is None or (len(plain) >= _NINES and not plain.strip("9"))


def is_failed_cell(text: str) -> bool:
    """Whether a spreadsheet or database wrote it where it had no value: `#N/A`, `#REF!`, `NULL`, `\\N`."""
    return len(text) <= _LONGEST_EMPTY and fold(text) in _FAILED


def means_no_id(text: str) -> bool:
    """Whether an id of a lead means that there is none, or that its cell failed: `NULL`, `#N/A`, `-`, `####`.

    Fewer words than for customers: a lead may well have the id 0.
    """
    if text.isalnum():
        return len(text) <= _LONGEST_EMPTY and text.lower() in _EMPTY_WORDS
    return fold(text) in _EMPTY_WORDS or _ALNUM.search(text) is None or _TEMPLATE.fullmatch(text) is not None


def no_lead(text: str) -> Worded | None:
    """What the line is that has this as its id: one of totals, or of names; None = it may be a lead."""
    # None of them ends in a digit, as most ids do.
    if text[-1:] in _DIGITS or len(text) > _LONGEST_TOTAL:
        return None
    return _NO_LEADS.get(fold(text).rstrip(" :：*"))


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
