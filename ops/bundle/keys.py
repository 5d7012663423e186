"""What keys of JSON, and names in texts, say about their values: a secret, or something about a person. Pure."""

import re

_SECRET = re.compile(
    r"pass(?:word|wd|phrase)|pwd|secret|token|credential|(?:api|private|access)[_-]?key|authorization|cookie|signature"
    r"|session[_-]?id|jwt|\bauth$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PERSONAL = re.compile(
    r"name|phone|mobile|mail|contact|compan(?:y|ies)|address|wechat|wecom|whats_?app|street|birth|passport|attributes|facts"
    r"|(?:^|_)(?:tels?|telephones?|cell|fax|qq|addr|customer|person|people|ssn|id_?card)(?:_?(?:no|nr|number))?$"
    r"|姓名|名字|名称|称呼|电话|手机|联系|微信|企微|邮箱|邮件|地址|公司|客户|身份证|電話|氏名|住所"
)
# Names of things of ours, and of whatever else writes logs.
_OF_THINGS = re.compile(
    r"(?:^|_)(?:application|app|host|server|service|logger|log|level|container|pod|image|node|cluster|namespace|unit"
    r"|tenant|rule|group|code|thread|process|program|proc|task|module|file|path|dir|base|func|function|method|class"
    r"|db|database|datname|schema|table|column|index|constraint|type|stack|event|metric|queue|topic|job|setting|key"
    r"|space|device|volume|network|driver|plugin|label|env|os|platform|interface|parameter|command|check|part)_?names?$"
    r"|^datname$|^usename$|namespace$"
)
_HOST = re.compile(r"\[?[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*\]?(?::\d{1,5})?(?:/\d{1,3})?", re.ASCII)
_IS_COUNTED = re.compile(
    r"(?:id|_ms|_s|_us|_ns|_at|ts|time|stamp|epoch|bytes|size|lsn|xid|count|offset|seconds|lead)s?$"
)


def is_secret(name: str) -> bool:
    """Whether what is called so is a password, a key or a token."""
    return _SECRET.search(name) is not None


def is_personal(name: str) -> bool:
    """Whether what is called so is a fact about a person; tenants, rules, groups, programs and hosts are none."""
    words = _words(name)
    return _PERSONAL.search(words) is not None and _OF_THINGS.search(words) is None


def is_counted(name: str) -> bool:
    """Whether a long number that is called so is an id, a time or a size."""
    return _IS_COUNTED.search(_words(name)) is not None


def is_host(value: object) -> bool:
    """Whether the value of a personal key is the address of a host, which a diagnosis needs."""
    return isinstance(value, str) and len(value) <= 64 and _HOST.fullmatch(value) is not None


def _words(name: str) -> str:
    """`customerName`, `Customer-Name` and `customer.name` as `customer_name`."""
    return re.sub(r"[^\w]+", "_", _CAMEL.sub("_", name)).lower()
