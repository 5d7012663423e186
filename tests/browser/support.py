"""A real browser: Debian's Chromium, driven by playwright, which must ask nobody but the console."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, Request, async_playwright

CHROMIUM = "/usr/bin/chromium"
# Without these it asks its maker's hosts.
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@dataclass
class Tab:
    """One page; what it complained of, and whom it asked."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """From now on."""
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._ask)

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _ask(self, request: Request) -> None:
        self.asked.append(request.url)

    @property
    def strangers(self) -> list[str]:
        """Requests to others than the console."""
        own = urlsplit(self.url).netloc
        return [one for one in self.asked if urlsplit(one).netloc != own and not one.startswith("data:")]

    async def log_in(self, token: str) -> None:
        """By the form."""
        await self.page.goto(self.url)
        await self.page.fill("#token", token)
        await self.page.click("main button")

    async def go(self, path: str) -> None:
        """To a page of the console."""
        await self.page.goto(self.url.rstrip("/") + path)

    async def text(self) -> str:
        """What the page says."""
        return await self.page.inner_text("main")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One browser process."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def tab(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    language: str = "en",
    dark: bool = False,
    script: bool = True,
) -> AsyncIterator[Tab]:
    """A new person's browser, with one tab."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        locale={"en": "en-GB", "zh": "zh-CN"}[language],
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        timezone_id="America/New_York",
    )
    try:
        made = Tab(await context.new_page(), url)
        made.watch()
        yield made
    finally:
        await context.close()
