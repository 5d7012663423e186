"""Which time zone is meant by what people write instead of one: offsets, abbreviations, cities and countries. Pure.

Zones are suggested by cities. Names such as Etc/GMT+8 are never suggested: their sign is the other way round.
"""

import re
from collections.abc import Callable, Container, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from router.domain.phrases import suggestion
from router.domain.worded import Worded, worded

_KNOWN_CITIES = """
    Pacific/Pago_Pago Pacific/Honolulu Pacific/Marquesas America/Anchorage America/Los_Angeles America/Denver
    America/Phoenix America/Chicago America/Mexico_City America/New_York America/Bogota America/Lima
    America/Halifax America/Santiago America/Caracas America/St_Johns America/Sao_Paulo
    America/Argentina/Buenos_Aires America/Noronha Atlantic/Azores Atlantic/Cape_Verde Europe/London Europe/Lisbon
    Africa/Accra Europe/Berlin Europe/Paris Africa/Lagos Europe/Athens Africa/Cairo Africa/Johannesburg
    Asia/Jerusalem Europe/Istanbul Europe/Moscow Asia/Riyadh Africa/Nairobi Asia/Tehran Asia/Dubai Asia/Kabul
    Asia/Karachi Asia/Tashkent Asia/Kolkata Asia/Colombo Asia/Kathmandu Asia/Dhaka Asia/Yangon Asia/Bangkok
    Asia/Jakarta Asia/Ho_Chi_Minh Asia/Shanghai Asia/Singapore Asia/Hong_Kong Asia/Taipei Asia/Manila
    Australia/Perth Australia/Eucla Asia/Tokyo Asia/Seoul Australia/Darwin Australia/Adelaide Australia/Brisbane
    Australia/Sydney Australia/Lord_Howe Pacific/Noumea Pacific/Auckland Pacific/Chatham Pacific/Tongatapu
    Pacific/Kiritimati
"""
_CITIES = _KNOWN_CITIES.split()
_OFFSET = re.compile(
    r"(?:utc|gmt|z)?\s*([+-])\s*(\d{1,2})(?:[:.]?([0-5]\d))?(?:\s*h)?|(?:utc|gmt)\s*(\d{1,2})(?::([0-5]\d))?"
)
_SIGNS = str.maketrans({"−": "-", "–": "-", "＋": "+", "－": "-", "：": ":"})
_AROUND = "()[]\"' "
_MOST = timedelta(hours=14)
_SHOWN = 4
_CHINA, _INDIA, _CENTRAL = "Asia/Shanghai", "Asia/Kolkata", "America/Chicago"
_EASTERN, _MOUNTAIN, _PACIFIC = "America/New_York", "America/Denver", "America/Los_Angeles"
_SYDNEY, _BERLIN, _LONDON = "Australia/Sydney", "Europe/Berlin", "Europe/London"
_SHORT: dict[str, tuple[str, ...]] = {
    "cst": (_CHINA, _CENTRAL, "America/Havana"),
    "ist": (_INDIA, "Asia/Jerusalem", "Europe/Dublin"),
    "bst": (_LONDON, "Asia/Dhaka"),
    "ast": ("America/Halifax", "Asia/Riyadh"),
    "pst": (_PACIFIC, "Asia/Manila"),
    "sst": ("Asia/Singapore", "Pacific/Pago_Pago"),
    "gst": ("Asia/Dubai",),
    "ect": ("America/Guayaquil", "Europe/Paris"),
    **dict.fromkeys(("est", "edt", "et"), (_EASTERN,)),
    **dict.fromkeys(("cdt", "ct"), (_CENTRAL,)),
    **dict.fromkeys(("mst", "mdt", "mt"), (_MOUNTAIN, "America/Phoenix")),
    **dict.fromkeys(("pdt", "pt"), (_PACIFIC,)),
    **dict.fromkeys(("akst", "akdt"), ("America/Anchorage",)),
    **dict.fromkeys(("hst", "hdt"), ("Pacific/Honolulu",)),
    **dict.fromkeys(("nst", "ndt"), ("America/St_Johns",)),
    **dict.fromkeys(("cest", "mez", "mesz", "central european"), (_BERLIN, "Europe/Paris")),
    **dict.fromkeys(("eest", "oez", "oesz"), ("Europe/Athens", "Europe/Helsinki")),
    **dict.fromkeys(("west",), ("Europe/Lisbon",)),
    **dict.fromkeys(("aest", "aedt"), (_SYDNEY, "Australia/Brisbane")),
    **dict.fromkeys(("acst", "acdt"), ("Australia/Adelaide", "Australia/Darwin")),
    **dict.fromkeys(("nzst", "nzdt"), ("Pacific/Auckland",)),
    "awst": ("Australia/Perth",),
    "jst": ("Asia/Tokyo",),
    "kst": ("Asia/Seoul",),
    "hkt": ("Asia/Hong_Kong",),
    "sgt": ("Asia/Singapore",),
    "pht": ("Asia/Manila",),
    "wib": ("Asia/Jakarta",),
    "ict": ("Asia/Bangkok",),
    "msk": ("Europe/Moscow",),
    "trt": ("Europe/Istanbul",),
    "brt": ("America/Sao_Paulo",),
    "pkt": ("Asia/Karachi",),
    "art": ("America/Argentina/Buenos_Aires",),
    "clt": ("America/Santiago",),
    "cot": ("America/Bogota",),
    "sast": ("Africa/Johannesburg",),
    "wat": ("Africa/Lagos",),
    "eat": ("Africa/Nairobi",),
    "cat": ("Africa/Maputo",),
    "npt": ("Asia/Kathmandu",),
    "wita": ("Asia/Makassar",),
    "uzt": ("Asia/Tashkent",),
}
_PLACES: dict[str, str] = {
    **dict.fromkeys(("beijing", "peking", "guangzhou", "shenzhen", "hangzhou", "chengdu", "wuhan", "nanjing"), _CHINA),
    **dict.fromkeys(
        ("china", "北京", "北京时间", "上海", "中国", "东八区", "china standard time", "prc", "china time"), _CHINA
    ),
    **dict.fromkeys(("mumbai", "delhi", "new delhi", "bangalore", "bengaluru", "chennai", "hyderabad", "pune"), _INDIA),
    **dict.fromkeys(("india", "india standard time", "bombay"), _INDIA),
    **dict.fromkeys(
        ("munich", "münchen", "hamburg", "frankfurt", "cologne", "köln", "stuttgart", "düsseldorf"), _BERLIN
    ),
    **dict.fromkeys(("germany", "deutschland", "w. europe standard time"), _BERLIN),
    **dict.fromkeys(("washington", "boston", "miami", "atlanta", "philadelphia", "eastern standard time"), _EASTERN),
    **dict.fromkeys(("us eastern", "eastern", "eastern time"), _EASTERN),
    **dict.fromkeys(("houston", "dallas", "austin", "central standard time", "us central", "central time"), _CENTRAL),
    **dict.fromkeys(("mountain standard time", "us mountain", "mountain time", "salt lake city"), _MOUNTAIN),
    **dict.fromkeys(("san francisco", "seattle", "san diego", "pacific standard time", "pacific time"), _PACIFIC),
    **dict.fromkeys(
        ("rio", "rio de janeiro", "brasilia", "brasília", "são paulo", "brazil", "brasil"), "America/Sao_Paulo"
    ),
    **dict.fromkeys(("e. south america standard time",), "America/Sao_Paulo"),
    **dict.fromkeys(("england", "uk", "united kingdom", "great britain", "manchester", "gmt standard time"), _LONDON),
    **dict.fromkeys(("france", "lyon", "marseille", "romance standard time"), "Europe/Paris"),
    **dict.fromkeys(("spain", "españa", "barcelona", "valencia"), "Europe/Madrid"),
    **dict.fromkeys(("italy", "italia", "milan", "milano", "naples"), "Europe/Rome"),
    **dict.fromkeys(("switzerland", "schweiz", "geneva", "genf", "basel", "bern"), "Europe/Zurich"),
    **dict.fromkeys(("austria", "österreich"), "Europe/Vienna"),
    **dict.fromkeys(("netherlands", "rotterdam", "the hague"), "Europe/Amsterdam"),
    **dict.fromkeys(("portugal", "porto"), "Europe/Lisbon"),
    **dict.fromkeys(("japan", "osaka", "kyoto", "tokyo standard time", "东京", "日本"), "Asia/Tokyo"),
    **dict.fromkeys(("korea", "south korea", "busan", "korea standard time", "首尔"), "Asia/Seoul"),
    **dict.fromkeys(("singapore standard time", "新加坡"), "Asia/Singapore"),
    **dict.fromkeys(("taiwan", "taipei standard time", "台北", "臺北"), "Asia/Taipei"),
    **dict.fromkeys(("hongkong", "香港"), "Asia/Hong_Kong"),
    **dict.fromkeys(("vietnam", "hanoi"), "Asia/Ho_Chi_Minh"),
    **dict.fromkeys(("abu dhabi", "uae", "arabian standard time"), "Asia/Dubai"),
    **dict.fromkeys(("mexico", "méxico", "ciudad de mexico", "ciudad de méxico"), "America/Mexico_City"),
    **dict.fromkeys(("melbourne australia", "canberra", "aus eastern standard time"), _SYDNEY),
    **dict.fromkeys(("cape town", "south africa", "south africa standard time"), "Africa/Johannesburg"),
    **dict.fromkeys(("st petersburg", "saint petersburg", "russian standard time"), "Europe/Moscow"),
}
# As Windows shows zones: "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi".
_OF_WINDOWS = re.compile(r"\(?(?P<offset>(?:utc|gmt)[+-]\d{1,2}:\d{2})\)\s+\S.*")
# As POSIX has it: "CST-8", "<+08>-8", "CET-1CEST,M3.5.0,M10.5.0/3". Its sign is the other way round, too.
_OF_POSIX = re.compile(
    r"(?:[a-z]{3,5}|<[+-]?[a-z0-9]{2,6}>)(?P<sign>[+-]?)(?P<hours>\d{1,2})(?::(?P<minutes>[0-5]\d))?(?:[a-z<,].*)?"
)
_NOTE = re.compile(r"[(\[（【]([^()\[\]（）【】]{2,60})[)\]）】]")
_LAST_WORD = re.compile(r"[\s_]((?:utc|gmt)(?:[+-]\d{1,2}(?::?\d{2})?)?)$", re.IGNORECASE)
_ZERO = ("utc", "gmt", "zulu")
_UTC_OFFSET = re.compile(r"(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?")
_TIME_BEHIND = re.compile(r"(?<!standard) time$")
_REVERSED = re.compile(r"Etc/GMT([+-])([1-9]|1[0-4])")
_FIXED = {"EST": (5, _EASTERN), "MST": (7, _MOUNTAIN), "HST": (10, "Pacific/Honolulu")}

Zone = Callable[[str], ZoneInfo]
"""Reads the data of a zone that is known."""


def hint(name: str, known: Iterable[str], zone: Zone) -> Worded:
    """What may have been meant by a name that is not a zone, as the end of a sentence."""
    wanted = name.translate(_SIGNS).strip(_AROUND).casefold()
    if (offset := _offset(wanted)) is not None:
        return _of_offset(offset, zone)
    if (shown := _OF_WINDOWS.fullmatch(name.strip().casefold())) is not None:
        return hint(shown["offset"], known, zone)
    if (posix := _OF_POSIX.fullmatch(wanted)) is not None:
        offset = timedelta(hours=int(posix["hours"]), minutes=int(posix["minutes"] or 0))
        return _of_offset(offset if posix["sign"] == "-" else -offset, zone)
    if wanted not in _PLACES:
        wanted = _TIME_BEHIND.sub("", wanted.replace("daylight time", "standard time"))
    if wanted in _SHORT:
        return worded(
            "; {zone} is an abbreviation, not a zone: name a city, such as {cities}",
            zone=name.strip(),
            cities=_either(_SHORT[wanted]),
        )
    spelled = wanted.rpartition("/")[2].replace("_", " ")
    if spelled in _PLACES:
        return worded("; use {zone}", zone=_PLACES[spelled])
    places = [one for one in sorted(known) if "/" in one and not one.startswith("Etc/")]
    folded = {one.casefold(): one for one in places}
    city = wanted.replace(" ", "_")
    near = [folded[key] for key in folded if city in (key, key.rpartition("/")[2])]
    meant = " or ".join(near) or suggestion(city, places, limit=3)
    return (
        worded("; did you mean {meant}?", meant=meant) if meant else worded("; use an IANA name such as Asia/Shanghai")
    )


def doubt(name: str) -> Worded | None:
    """Why a zone that is known is probably not the one that is meant; None where nothing speaks against it."""
    if (found := _REVERSED.fullmatch(name)) is not None:
        hours = int(found[2])
        shown, other = ("-", "+") if found[1] == "+" else ("+", "-")
        return worded(
            "{zone} is UTC{is_so}, not UTC{not_so}: its sign is the other way round; name a city instead",
            zone=name,
            is_so=f"{shown}{hours}",
            not_so=f"{other}{hours}",
        )
    if name == "Factory":
        return worded("Factory is a zone that was never set, and runs as UTC; name a city instead")
    if name in _FIXED:
        hours, city = _FIXED[name]
        return worded(
            "{zone} is UTC-{hours} all year, without daylight saving time; name a city instead, such as {city}",
            zone=name,
            hours=hours,
            city=city,
        )
    return None


def zone_in_name(column: str, used: str, known: Container[str], zone: Zone) -> str | None:
    """What a column's name says of the zone of its times, as in `Created (UTC)`, where that is not the one `used`, nor
    the offset that it has all year.
    """
    for part in _NOTE.findall(column) + _LAST_WORD.findall(column):
        said = str(part).strip()
        plain = said.translate(_SIGNS).casefold()
        if said == used or used in _SHORT.get(plain, ()) or _PLACES.get(plain) == used or plain == used.casefold():
            return None
        offset = timedelta() if plain in _ZERO else _offset(plain)
        if offset is not None and offsets_of(used, zone) == {offset}:
            return None
        if plain in _ZERO or plain in _SHORT or plain in _PLACES or _UTC_OFFSET.fullmatch(plain):
            return said
        if "/" in said and said in known:
            return said
    return None


def offsets_of(name: str, zone: Zone) -> frozenset[timedelta]:
    """The offsets that the zone has in the course of this time's years."""
    tz = zone(name)
    days = (datetime(2026, month, 15, tzinfo=UTC) for month in (1, 7))
    return frozenset(offset for day in days if (offset := day.astimezone(tz).utcoffset()) is not None)


def _offset(text: str) -> timedelta | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    sign, hours, minutes, plain_hours, plain_minutes = found.groups()
    offset = timedelta(hours=int(hours or plain_hours), minutes=int(minutes or plain_minutes or 0))
    return -offset if sign == "-" else offset


def _of_offset(offset: timedelta, zone: Zone) -> Worded:
    shown = _written(offset)
    # Where it is the standard time; those that have it all year first.
    offsets = {city: offsets_of(city, zone) for city in _CITIES} if abs(offset) <= _MOST else {}
    cities = [city for city, has in offsets.items() if min(has) == offset] or [
        city for city, has in offsets.items() if offset in has
    ]
    cities.sort(key=lambda city: len(offsets[city]))
    if not cities:
        return worded("; no place has {offset}: use an IANA name such as Asia/Shanghai", offset=shown)
    return worded(
        "; an offset is not a zone: name a city that has {offset}, such as {cities}",
        offset=shown,
        cities=_either(cities[:_SHOWN]),
    )


def _written(offset: timedelta) -> str:
    minutes = abs(offset) // timedelta(minutes=1)
    sign = "-" if offset < timedelta() else "+"
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def _either(cities: Iterable[str]) -> str:
    *most, last = cities
    return worded("{cities} or {city}", cities=", ".join(most), city=last) if most else last
