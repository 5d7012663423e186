"""The English that is left on a page in another language: three or more words in a row, outside of code."""

import re
from html.parser import HTMLParser

_APART = frozenset(["code", "pre", "script", "style", "textarea", "template"])
_VOID = frozenset(["area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"])
_WITHIN = frozenset(["b", "strong", "em", "i", "span", "small", "a", "time", "br"])
_READ_OUT = frozenset(["title", "placeholder", "aria-label", "alt"])
_WORD = r"[A-Za-z][A-Za-z’'-]*"
_ROW = re.compile(rf"(?<![\w./:@<-]){_WORD}(?: {_WORD}){{2,}}(?![\w./:@=])")
_COMMAND = "lead-router "


RECORDED = "recorded"
"""The class of what is shown as it was recorded once, or as the database has it."""


class _Texts(HTMLParser):
    """Texts as a reader sees them: what is written in a row is one, however it is marked up."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = [""]
        self._apart: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[-1:] = [self.found[-1], *(value or "" for name, value in attrs if name in _READ_OUT), ""]
        if self._apart or tag in _APART or RECORDED in (dict(attrs).get("class") or "").split():
            if tag not in _VOID:
                self._apart.append(tag)
            return
        if tag not in _WITHIN:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._apart:
            self._apart.pop()
            if not self._apart:
                # A command within a sentence.
                self.found[-1] += "·"
        elif tag not in _WITHIN:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if not self._apart:
            self.found[-1] += data


def english_left(html: str, known: tuple[str, ...] = ()) -> list[str]:
    """Rows of words, each once, in their order; `known` are names that users gave, and what others said."""
    reader = _Texts()
    reader.feed(html)
    found = list[str]()
    for text in reader.found:
        shown = " ".join(text.split())
        for name in known:
            shown = shown.replace(name, "·")
        found += [row[0] for row in _ROW.finditer(shown) if not row[0].startswith(_COMMAND)]
    return list(dict.fromkeys(found))
