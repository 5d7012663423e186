"""The one way in which texts are translated: GNU gettext, with English as the key.

A message is written in English where it is used, `say.gettext("Queued since {since}.").format(since=…)`, and in
`ops/locale/LANGUAGE/LC_MESSAGES/lead_router.po` for each other language. English needs no catalogue and reads no file.
"""

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

Say = NullTranslations
"""What translates: `gettext(message)`, `ngettext(one, several, count)`."""

ENGLISH = NullTranslations()
LOCALES: Mapping[str, str] = {"en": "en", "zh": "zh_CN"}
"""The folder of each language that can be asked for."""

FOLDER = Path(__file__).parents[1] / "locale"


def N_(message: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """Marks a message that is translated where it is shown."""
    return message


def catalogue(language: str) -> Path:
    """The file in which the language's messages are."""
    return FOLDER / LOCALES[language] / "LC_MESSAGES" / "lead_router.po"


@cache
def translator(language: str) -> Say:
    """Of one of LOCALES. A message without a translation is shown in English."""
    if language == "en":
        return ENGLISH
    import polib  # noqa: PLC0415 - English needs none

    return GNUTranslations(BytesIO(polib.pofile(str(catalogue(language))).to_binary()))


def locale_of(say: Say) -> str:
    """The locale of what it translates into, as other libraries name it: `en_US`, `zh_CN`."""
    return say.info().get("language", "en_US")


def language_of(environment: Mapping[str, str]) -> str:
    """`zh` or `en`, by the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"
