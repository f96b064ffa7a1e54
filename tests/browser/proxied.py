"""An application behind a proxy that somebody uses, made inside the instance's own database."""


def used_by(email: str) -> None:
    from datetime import timedelta

    from core import clock
    from core.ids import digest, new_id, new_token
    from idp.forward_auth.registration import register_application
    from idp.models import ForwardSession
    from sessions.models import LoginSession

    now = clock.now()
    session = LoginSession.unscoped.filter(user__email=email).live(now).latest("started_at")
    origin = f"https://a-wiki-with-a-rather-long-name-{new_id().hex[-12:]}.harbour.acme.example"
    application = register_application(
        organisation=session.organisation, name="Wiki of the harbour", origins=[origin], now=now
    )
    ForwardSession.objects.create(
        organisation=session.organisation,
        client=application,
        session=session,
        origin=origin,
        digest=digest(new_token()),
        seen_from=digest(new_token()),
        created_at=now - timedelta(hours=1),
        last_used_at=now - timedelta(minutes=2),
        ends_at=now + timedelta(hours=1),
    )
