"""Password hashing (and, to come, rules)."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id at OWASP's parameters: 19 MiB, two passes, one lane."""

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
