"""The page that describes the API: all operations are on it, it needs nothing from elsewhere and runs nothing."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from ops.api.docs_page import STYLE, docs_page
from ops.api.operations import API_VERSION, api_operations
from router.http.openapi import openapi
from router.http.problems import Kind

DESCRIBED = openapi(api_operations(), API_VERSION)
PAGE = docs_page(DESCRIBED)
_VOID = {"meta"}


class Read(HTMLParser):
    """Ids, links, and tags that were closed in another order than they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.attributes |= named.keys()
        self.ids += [value for value in (named.get("id"),) if value]
        self.links += [value for value in (named.get("href"),) if value]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def read() -> Read:
    parser = Read()
    parser.feed(PAGE)
    assert parser.open == []
    return parser


def test_every_operation_is_on_the_page_with_an_example(read: Read) -> None:
    for operation in api_operations():
        assert operation.id in read.ids
    assert PAGE.count("<pre>curl") == len(api_operations())
    assert {kind.anchor for kind in Kind} <= set(read.ids)


def test_every_link_leads_somewhere_on_the_page(read: Read) -> None:
    assert len(read.ids) == len(set(read.ids))
    assert {link for link in read.links if link[:1] != "#"} == set()
    assert {link[1:] for link in read.links} <= set(read.ids)


def test_nothing_is_loaded_and_nothing_runs(read: Read) -> None:
    assert not re.search(r"<(script|link|img|iframe|object|form|base)\b|@import|url\(", PAGE, re.IGNORECASE)
    assert read.attributes <= {"id", "href", "class", "lang", "charset", "name", "content"}
    assert f"<style>{STYLE}</style>" in PAGE


def test_texts_cannot_become_markup() -> None:
    hostile = "<b>&\"'`<i>`"
    info = {"title": hostile, "version": "1"}
    operation = {
        "operationId": "x",
        "summary": hostile,
        "description": hostile,
        "tags": [hostile],
        "x-permission": hostile,
        "parameters": [{"name": hostile, "in": "query", "required": True, "schema": {"enum": [hostile]}}],
        "responses": {"200": {"description": hostile}},
    }
    described = {"info": info, "paths": {"/x": {"get": operation}}, "components": {"schemas": {}}}
    shown = docs_page(described)
    assert "<b>" not in shown
    assert "<i>`" not in shown
    assert hostile in unescape(shown)
