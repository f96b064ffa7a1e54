"""A browser without JavaScript, in Python: cookies, redirects, and the forms a person fills in."""

import ssl
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from tests.browser.people import Person
from tests.support.elsewhere import authority

MOST_PAGES = 20
OK = 200


def trusting(*certificate: str) -> ssl.SSLContext:
    """TLS that trusts the tests' authority. certificate: files of a client's own, and its key."""
    context = ssl.create_default_context(cadata=authority().pem)
    if certificate:
        context.load_cert_chain(*certificate)
    return context


class Visitor:
    """Somebody at a browser. `visited` are the pages and redirects so far, newest last."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.http = httpx.Client(verify=trusting(), timeout=30)
        self.visited: list[httpx.Response] = []

    def visit(self, address: str, *, until: str = "") -> httpx.Response:
        """Open an address and do what the pages ask; the first page that asks for nothing.

        until: stop before an address that begins so; the last answer, which leads there.
        """
        request = self.http.build_request("GET", address)
        for _ in range(MOST_PAGES):
            answer = self.http.send(request)
            self.visited.append(answer)
            target = answer.headers.get("Location") or _refresh(answer)
            if target:
                address = urljoin(str(answer.url), target)
                if until and address.startswith(until):
                    answer.extensions["leads_to"] = address
                    return answer
                request = self.http.build_request("GET", address)
                continue
            form = (
                next(filter(_asks, forms(answer.text)), None) if answer.status_code == OK else None
            )
            if form is None:
                return answer
            request = self.fill_in(answer, form)
        raise AssertionError(f"no end: {[str(each.url) for each in self.visited]}")

    def fill_in(self, page: httpx.Response, form: "Form") -> httpx.Request:
        fields = dict(form.fields)
        known = {"login": self.person.email, "password": self.person.password}
        fields |= {name: value for name, value in known.items() if name in fields}
        if "code" in fields:
            fields["code"] = self.person.code()
        if "decision" in form.buttons:
            fields["decision"] = "allow"
        address = urljoin(str(page.url), form.action or str(page.url))
        origin = str(page.url.copy_with(raw_path=b"/")).rstrip("/")
        return self.http.build_request("POST", address, data=fields, headers={"Origin": origin})


class Form:
    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.buttons: set[str] = set()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(has.get("action", "")))
        elif self.forms and has.get("name") and tag == "button":
            self.forms[-1].buttons.add(has["name"])
        elif self.forms and has.get("name") and tag == "input":
            ticked = has.get("type") not in {"checkbox", "radio"} or "checked" in has
            if ticked and has.get("type") != "submit":
                self.forms[-1].fields[has["name"]] = has.get("value", "")


def forms(html: str) -> list[Form]:
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def _asks(form: Form) -> bool:
    return bool({"login", "code"} & form.fields.keys()) or "decision" in form.buttons


def _refresh(answer: httpx.Response) -> str:
    """Where a page moves on to by itself: the answer to a form never redirects elsewhere."""
    return str(answer.headers.get("Refresh", "")).removeprefix("0;url=")
