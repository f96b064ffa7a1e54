"""One SHA-256 for secrets that a machine made: 256 random bits need no slow hash."""

import hashlib
import hmac

from django.contrib.auth.hashers import BasePasswordHasher


class OneSha256(BasePasswordHasher):
    algorithm = "one_sha256"

    def salt(self) -> str:
        return ""

    def encode(self, password: str, salt: str) -> str:  # noqa: ARG002 - none
        return f"{self.algorithm}${hashlib.sha256(password.encode()).hexdigest()}"

    def verify(self, password: str, encoded: str) -> bool:
        return hmac.compare_digest(self.encode(password, ""), encoded)

    def must_update(self, encoded: str) -> bool:  # noqa: ARG002
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing to level: every secret takes the same time."""
