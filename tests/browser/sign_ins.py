"""Sign-ins of somebody over a month, made inside the instance's own database."""

import json

from tests.support.instance import Instance


def of(instance: Instance, email: str) -> dict[str, str]:
    """Give them sign-ins of each level; the person's id, and the token of a mail about the last."""
    script = f"from tests.browser.sign_ins import make; make({email!r})"
    found: dict[str, str] = json.loads(instance.inside(script).splitlines()[-1])
    return found


def make(email: str) -> None:
    from datetime import timedelta

    from accounts.models import User
    from core import clock
    from core.ids import new_id
    from risk import links
    from risk.models import SignIn

    user, now = User.unscoped.get(email=email), clock.now()
    kinds = [
        (1, 4.2, "Firefox on Linux", "NO", [["known_browser", -2.5], ["network", -1.2], ["agent", -0.9]]),
        (1, 9.8, "Firefox on Linux", "NO", [["known_browser", -2.5], ["network", 0.6], ["agent", -0.4]]),
        (2, 71.3, "Safari on iOS", "SE", [["new_browser", 2.5], ["network", 1.1], ["new_country", 0.8]]),
        (3, 99.6, "Chrome on Windows", "AU", [["impossible_travel", 2.5], ["new_browser", 2.5],
                                              ["network", 1.39]]),
    ]  # fmt: skip
    for day in range(12):
        level, score, browser, country, reasons = kinds[(0, 1, 0, 2, 0, 1, 0, 0, 1, 0, 2, 3)[day]]
        sign_in = SignIn.objects.create(
            organisation_id=user.organisation_id, user=user, session_id=new_id(),
            browser_name=browser, at=now - timedelta(days=24 - 2 * day, hours=day), level=level,
            address="198.51.100.7", country=country, network="Example Network", score=score,
            log_odds=0.0, reasons=reasons,
        )  # fmt: skip
    print(json.dumps({"id": str(user.pk), "token": links.token_of(sign_in)}))
