"""A browser without JavaScript: it reads pages, and sends their forms as they stand."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.test import Client as Browser

HOPS = 10


@dataclass
class Form:
    """A form of a page: where it goes, and what it sends if nobody types anything."""

    id: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Visitor:
    """Follows redirects within the product and stops at its edge.

    url, text: the page that is shown. gone_to: the address outside that the visit led to, or "".
    CSRF is checked as for a real browser.
    """

    def __init__(self) -> None:
        self.browser = Browser(enforce_csrf_checks=True)
        self.url = self.text = self.gone_to = ""
        self.status = 0

    def open(self, url: str) -> None:
        self._show(url, self.browser.get(_local(url)))

    def submit(self, form: str, /, **typed: str) -> None:
        """Send the form of this id with what was typed into it."""
        found = next((each for each in _forms(self.text) if each.id == form), None)
        assert found is not None, f"no form {form} at {self.url}:\n{self.text[:3000]}"
        target = urljoin(self.url, found.action)
        origin = {"Origin": settings.ISSUER, "Referer": urljoin(settings.ISSUER, self.url)}
        self._show(target, self.browser.post(target, found.fields | typed, headers=origin))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def _show(self, url: str, response: Any) -> None:
        self.gone_to = ""
        for _ in range(HOPS):
            target = _onward(response)
            if not target:
                break
            url = urljoin(url, target)
            if _is_outside(url):
                self.gone_to = url
                return
            response = self.browser.get(_local(url))
        self.url, self.status, self.text = (
            _local(url),
            response.status_code,
            response.content.decode(),
        )


def _onward(response: Any) -> str:
    """Where a redirect, or a page that moves on by itself, leads."""
    if response.has_header("Location"):
        return str(response["Location"])
    if response.has_header("Refresh"):
        return str(response["Refresh"].partition(";url=")[2])
    return ""


def _is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.netloc) and f"{parts.scheme}://{parts.netloc}" != settings.ISSUER


def _local(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _forms(text: str) -> list[Form]:
    found: list[Form] = []
    open_forms: list[Form] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = {name: value or "" for name, value in attrs}
            if tag == "form":
                open_forms.append(Form(values.get("id", ""), values.get("action", "")))
                found.append(open_forms[-1])
            elif tag == "input" and open_forms and values.get("name"):
                open_forms[-1].fields[values["name"]] = values.get("value", "")

        def handle_endtag(self, tag: str) -> None:
            if tag == "form":
                open_forms.pop()

    Reader().feed(text)
    return found
