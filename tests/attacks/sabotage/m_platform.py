"""Cryptography, logs and audit (A161 to A176)."""

from tests.attacks.sabotage.defence import Defence, Patch, wrap


def without_associated_data(patch: Patch) -> None:
    for name in ("seal", "unseal"):
        wrap(
            f"protection.envelope:{name}",
            lambda original, value, **how: original(value, **(how | {"context": ""})),
        )(patch)


DEFENCES = {
    "A162": Defence("what is sealed is bound to its place", without_associated_data),
}
