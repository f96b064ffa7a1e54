"""Mail, resets, invitations and federation (A128 to A139)."""

from tests.attacks.sabotage.defence import Defence, replace

DEFENCES = {
    "A128": Defence(
        "links are built from our own address",
        replace("accounts.adapter:_our_url", lambda name, value: value),
    ),
}
