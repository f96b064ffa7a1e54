"""Put rows into the toolkit's own tables, by its own models, outside the timed part.

    python -m bench.dot.seed client                 one confidential client and one user
    python -m bench.dot.seed refresh|code|introspect COUNT FILE

The tokens go to FILE, one on a line. The client's secret comes in BENCH_CLIENT_SECRET.
"""

import os
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils.timezone import now  # noqa: E402
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken  # noqa: E402

CLIENT_ID = os.environ["BENCH_CLIENT_ID"]
REDIRECT_URI = os.environ["BENCH_REDIRECT_URI"]
BATCH = 1000


def seed_client() -> None:
    """Two rows, since the toolkit allows a client one grant type beside refresh."""
    user = User.objects.create(username="bench")
    for client_id, grant_type in (
        (CLIENT_ID, Application.GRANT_AUTHORIZATION_CODE),
        (f"{CLIENT_ID}-machine", Application.GRANT_CLIENT_CREDENTIALS),
    ):
        Application.objects.create(
            name=client_id,
            client_id=client_id,
            client_secret=os.environ["BENCH_CLIENT_SECRET"],
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=grant_type,
            redirect_uris=REDIRECT_URI,
            algorithm=Application.RS256_ALGORITHM,
            user=user,
        )


def seed_codes(count: int) -> list[str]:
    user, application = owner()
    codes = [secrets.token_urlsafe(24) for _ in range(count)]
    Grant.objects.bulk_create(
        (
            Grant(
                user=user,
                application=application,
                code=code,
                expires=now() + timedelta(minutes=15),
                redirect_uri=REDIRECT_URI,
                scope="openid",
                code_challenge=os.environ["BENCH_CHALLENGE"],
                code_challenge_method="S256",
                nonce=secrets.token_urlsafe(16),
            )
            for code in codes
        ),
        batch_size=BATCH,
    )
    return codes


def seed_access_tokens(count: int) -> list[AccessToken]:
    user, application = owner()
    return AccessToken.objects.bulk_create(
        (
            AccessToken(
                user=user,
                application=application,
                token=secrets.token_urlsafe(24),
                expires=now() + timedelta(minutes=15),
                scope="openid",
            )
            for _ in range(count)
        ),
        batch_size=BATCH,
    )


def seed_families(count: int) -> list[str]:
    user, application = owner()
    families = RefreshToken.objects.bulk_create(
        (
            RefreshToken(
                user=user,
                application=application,
                token=secrets.token_urlsafe(24),
                access_token=access_token,
                token_family=uuid4(),
            )
            for access_token in seed_access_tokens(count)
        ),
        batch_size=BATCH,
    )
    return [family.token for family in families]


def owner() -> tuple[User, Application]:
    return User.objects.get(username="bench"), Application.objects.get(client_id=CLIENT_ID)


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "client":
        with transaction.atomic():
            seed_client()
        return
    count, path = int(rest[0]), Path(rest[1])
    with transaction.atomic():
        if what == "code":
            tokens = seed_codes(count)
        elif what == "refresh":
            tokens = seed_families(count)
        else:
            tokens = [token.token for token in seed_access_tokens(count)]
    path.write_text("\n".join(tokens) + "\n", encoding="ascii")
    connection.set_autocommit(True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main()
