"""Which revision counts now, and its bundle, verified.

`ACTIVE_REVISION` stands in the statement that collects facts: each use pulls it, so that what was
published counts from its transaction on, in every process, and nothing has to be delivered.
"""

import logging

from django.db import connection

from policy import bundle, signing
from policy.bundle import Bundle
from policy.evaluator import PolicyUnavailable
from policy.models import PolicyVersion

logger = logging.getLogger(__name__)

# "" is the shipped version, which comes with the program.
ACTIVE_REVISION = (
    "COALESCE((SELECT p.revision FROM policy_publication p WHERE p.ended_at IS NULL), '')"
)


class Published:
    """How the engine reaches what is published; wiring hands it in."""

    def active(self) -> str:
        """The revision that counts now, "" for the shipped one."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {ACTIVE_REVISION}")
            return str(cursor.fetchone()[0])

    def load(self, revision: str) -> Bundle:
        """Read and verify a published version; raises PolicyUnavailable."""
        version = PolicyVersion.objects.filter(revision=revision).first()
        if version is None:
            raise PolicyUnavailable(f"there is no policy {revision}")
        found = bundle.of_modules(version.modules)
        try:
            if found.revision != revision:
                raise ValueError("its revision is of other files")
            signing.verify(found, version.signature)
        except ValueError as failure:
            logger.error("policy %s is not to be trusted: %s", revision, failure)  # noqa: TRY400
            raise PolicyUnavailable(f"policy {revision} is not to be trusted") from failure
        return found
