"""How long a score takes with a million sign-ins of history, and a decision of policy.

`make bench` runs it in the environment of its own instance. It fills the tables of risk in one
transaction, which is rolled back, and times the score and whole calls of `assess_login`.
"""

import json
import os
import sys
import time
from datetime import datetime
from statistics import quantiles
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402

from accounts.models import Organisation, User  # noqa: E402
from core import clock  # noqa: E402
from core.ids import new_id, new_token  # noqa: E402
from policy import engine  # noqa: E402
from policy.facts import Facts, SessionFacts, Trigger, UserFacts  # noqa: E402
from risk import history  # noqa: E402
from risk.agents import read_agent  # noqa: E402
from risk.evidence import novelty  # noqa: E402
from risk.flows import Attempt, assess_login  # noqa: E402
from risk.geo import locate  # noqa: E402
from risk.likelihood import likelihood_ratio  # noqa: E402
from risk.score import calibration, judge  # noqa: E402

SIGN_INS, PEOPLE, ROUNDS = 1_000_000, 10_000, 400
WARM_UP, DECISIONS = 20, 2_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FILL = (
    """INSERT INTO accounts_user (id, organisation_id, email, name, password, is_active, is_staff,
         is_superuser, security_stamp, created_at)
       SELECT gen_random_uuid(), %(organisation)s, 'p' || n || '@bench.example', '', '', true,
              false, false, gen_random_uuid(), %(now)s FROM generate_series(1, %(people)s) n""",
    """INSERT INTO risk_signin (id, organisation_id, user_id, session_id, browser_name,
         is_known_browser, at, country, city, network, log_odds, score, level, reasons, "values",
         verdict, judged_by)
       SELECT gen_random_uuid(), u.organisation_id, u.id, gen_random_uuid(), '', true,
              %(now)s - n * interval '1 hour', '', '', '', 0, 0, 1, '[]', '{}', '', ''
         FROM accounts_user u CROSS JOIN generate_series(1, %(each)s) n
        WHERE u.organisation_id = %(organisation)s""",
    """INSERT INTO risk_usertally (user_id, organisation_id, level, value, logins, last_at)
       SELECT u.id, u.organisation_id, level, substring(sha256((u.id::text || n)::bytea), 1, 16), 4,
              %(now)s
         FROM accounts_user u CROSS JOIN generate_series(0, 6) level
        CROSS JOIN generate_series(1, 25) n WHERE u.organisation_id = %(organisation)s""",
    """INSERT INTO risk_organisationtally
         (organisation_id, level, value, logins, users, last_at)
       SELECT organisation_id, level, value, logins, 1, last_at FROM risk_usertally
        WHERE organisation_id = %(organisation)s""",
    """INSERT INTO risk_organisationhistory (organisation_id, logins, users, "distinct")
       VALUES (%(organisation)s, %(people)s * %(each)s, %(people)s, '{9,9,9,9,9,9,9}')""",
    "ANALYZE risk_usertally, risk_organisationtally, risk_signin",
)


@transaction.atomic
def main() -> int:
    now = clock.now()
    organisation = Organisation.objects.create(slug=f"b{new_token(6).lower()}", created_at=now)
    params: dict[str, Any] = {
        "organisation": organisation.pk,
        "now": now,
        "people": PEOPLE,
        "each": SIGN_INS // PEOPLE,
    }
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, params)
    people = list(User.objects.within(organisation)[:ROUNDS])
    scores, wholes = [], []
    for user in people:
        attempt = Attempt(
            user_id=user.pk,
            organisation_id=organisation.pk,
            account=user.email,
            account_created_at=now,
            session_id=new_id(),
            address="8.8.8.8",
            user_agent=AGENT,
        )
        began = time.perf_counter()
        score(attempt, now)
        scored = time.perf_counter()
        assess_login(attempt, now=now)
        scores.append(1000 * (scored - began))
        wholes.append(1000 * (time.perf_counter() - scored))
    transaction.set_rollback(True)
    told = {
        "sign_ins": SIGN_INS,
        "score_ms": _cuts(scores),
        "assessed_ms": _cuts(wholes),
        "decision_cpu_ms": _decision(),
    }
    print(json.dumps(told))
    return 0


def _cuts(times: list[float]) -> dict[str, float]:
    cuts = quantiles(times[WARM_UP:], n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2)}


def _decision() -> float:
    """CPU milliseconds of one decision about a good session, policy included."""
    asked = Facts(
        trigger=Trigger.REFRESH,
        organisation_is_active=True,
        user=UserFacts(is_active=True, email_verified=True, stamp_matches=True),
        session=SessionFacts(
            is_ended=False,
            idle_remaining=3_600,
            absolute_remaining=86_400,
            level=2,
            authentication_age=60,
            methods=("pwd", "otp", "mfa"),
        ),
    )
    if not engine.decide(asked, active="").is_allowed:
        raise RuntimeError("a good session was not allowed")
    began = time.process_time()
    for _ in range(DECISIONS):
        engine.decide(asked, active="")
    return round(1000 * (time.process_time() - began) / DECISIONS, 3)


def score(attempt: Attempt, now: datetime) -> None:
    """Place, agent, the one statement, and the sum: what leads to a level."""
    place = locate(attempt.address)
    values = history.values_of(
        organisation_id=attempt.organisation_id,
        address=attempt.address,
        place=place,
        agent=read_agent(attempt.user_agent),
    )
    known = history.read(
        user_id=attempt.user_id,
        organisation_id=attempt.organisation_id,
        account=attempt.account,
        address=attempt.address,
        network=place.network,
        values=values,
        now=now,
    )
    ratio = likelihood_ratio(known.own, known.everybody)
    judge(ratio, novelty(known.own), calibration=calibration())


if __name__ == "__main__":
    sys.exit(main())
