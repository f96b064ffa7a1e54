"""A033: all processes restart, the cache is lost, then a rotated token is replayed."""

import pytest
from django.core.cache import cache
from django.db import connections

from idp import keys
from idp.clients import authentication
from idp.models import RefreshFamily
from protection import keyring
from tests.support import oauth

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_in_memory_or_cache_takes_part_in_the_decision(acme_web, tokens, later):
    oauth.refresh(acme_web, tokens["refresh_token"])
    later(seconds=11)
    cache.clear()
    keys.forget()
    authentication.forget()
    keyring.forget()
    connections.close_all()

    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoke_reason == "replayed"
