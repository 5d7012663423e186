"""The console on a port of its own, over a real database, and a browser without a script."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from ops.api.means import Means
from ops.api.operations import api_operations
from ops.api.running import Jobs
from ops.console.service import ConsoleService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ConsoleSettings
from router.store.connections.connections import Connections

OWN = {"Sec-Fetch-Site": "same-origin"}
# Where a test says nothing else: on a machine that does other things, too, no page is late for that.
PATIENT_S = 30.0
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)

_APART = frozenset(["dd", "dt", "td", "th", "p", "li", "h1", "h2", "h3", "option", "label", "button", "small"])


@dataclass
class Tag:
    """One element: its name, attributes, and the text within it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.open: list[Tag] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Tag(tag, {name: value or "" for name, value in attrs})
        self.tags.append(made)
        if tag in _APART:
            self.handle_data(" ")
        if tag not in _VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        for one in self.open:
            one.text += data


@dataclass(frozen=True)
class Page:
    """What came back: status, headers, text, and the elements of the text."""

    status: int
    headers: Any
    text: str
    url: str
    tags: list[Tag] = field(default_factory=list)

    def all(self, element: str, /, **attributes: str) -> list[Tag]:
        """Elements of a kind with these attributes."""
        return [
            tag
            for tag in self.tags
            if tag.name == element and all(tag.attributes.get(key) == value for key, value in attributes.items())
        ]

    @property
    def links(self) -> list[str]:
        """Addresses that it links to, by anchors, forms that read, scripts and styles."""
        found = [tag.attributes.get("href", "") for tag in self.all("a") + self.all("link")]
        return [one for one in found + [tag.attributes.get("src", "") for tag in self.all("script")] if one]

    @property
    def words(self) -> str:
        """Its text without markup, blanks as one."""
        [main] = self.all("main")
        return re.sub(r"\s+", " ", main.text)


@dataclass
class Browser:
    """One person's browser: keeps cookies, follows redirects, runs no script."""

    base: str
    session: aiohttp.ClientSession
    language: str = "en"

    async def get(self, path: str | URL, **options: Any) -> Page:
        """Looks at a page; a URL goes as it is."""
        return await self._ask("GET", path, {"Accept-Language": self.language}, **options)

    async def post(self, path: str, form: Any, *, headers: dict[str, str] = OWN, **options: Any) -> Page:
        """Sends a form, as one of the console's own pages does unless `headers` says otherwise."""
        return await self._ask("POST", path, {"Accept-Language": self.language, **headers}, data=form, **options)

    async def send(self, page: Page, action: str, **values: str) -> Page:
        """Fills in the form of a page that goes to `action`, with its hidden fields, and sends it."""
        form, hidden = None, dict[str, str]()
        for tag in page.tags:
            if tag.name == "form":
                form = tag.attributes.get("action", "")
            elif tag.name == "input" and tag.attributes.get("type") == "hidden" and form and _path(form) == action:
                hidden[tag.attributes["name"]] = tag.attributes["value"]
        forms = [one.attributes["action"] for one in page.all("form") if _path(one.attributes["action"]) == action]
        assert forms, f"no form goes to {action}: {[one.attributes for one in page.all('form')]}"
        return await self.post(forms[0], hidden | values)

    async def upload(self, page: Page, action: str, name: str, body: bytes, **values: str) -> Page:
        """Sends the form of a page that goes to `action` with a file, as a browser without a script does."""
        [address] = {one.attributes["action"] for one in page.all("form") if _path(one.attributes["action"]) == action}
        form = aiohttp.FormData(quote_fields=False)
        [token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        for field_name, value in {"form_token": token, **values}.items():
            form.add_field(field_name, value)
        form.add_field("file", body, filename=name, content_type="application/octet-stream")
        return await self._ask("POST", address, {"Accept-Language": self.language, **OWN}, data=form)

    async def log_in(self, token: str) -> Page:
        """By the form of the login."""
        return await self.post("/login", {"token": token, "back": "/"})

    async def _ask(self, method: str, path: str | URL, headers: dict[str, str], **options: Any) -> Page:
        url = path if isinstance(path, URL) else urljoin(self.base, path)
        async with self.session.request(method, url, headers=headers, **options) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            reader = _Reader()
            if answer.content_type == "text/html":
                reader.feed(text)
            return Page(answer.status, answer.headers, text, str(answer.url), reader.tags)


def _path(address: str) -> str:
    return address.partition("?")[0]


@dataclass
class Served:
    """A console that is being served."""

    service: ConsoleService

    @property
    def url(self) -> str:
        return self.service.url

    @asynccontextmanager
    async def browser(self, token: str | None = None, language: str = "en") -> AsyncIterator[Browser]:
        """A new one; with a token it is logged in."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            made = Browser(self.url, session, language)
            if token is not None:
                # Not to the first page, which reads much.
                page = await made.post("/login", {"token": token, "back": "/"}, allow_redirects=False)
                assert page.status == 303, page.text
            yield made


@asynccontextmanager
async def serving_console(
    connections: Connections, redis_url: str | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """The console in this process."""
    means, jobs = Means(redis_url), Jobs()
    service = ConsoleService(
        ConsoleSettings(**{"port": 0, "page_deadline_s": PATIENT_S, **settings}),
        connections,
        api_operations(means, jobs),
        means,
        jobs,
        max_connections=100,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _deadline: None)))
    try:
        while not service.address.started.is_set():
            await asyncio.wait([running], timeout=0.005)
            if running.done():
                running.result()
        yield Served(service)
    finally:
        stop.set()
        await running
