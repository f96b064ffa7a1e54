"""Chromium's virtual authenticator, over the DevTools protocol."""

from typing import Any

from playwright.sync_api import Page

OPTIONS = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}
# Runs before the page's scripts: what they would tell the browser is written down instead.
SPY_ON_SIGNALS = """
window.signals = [];
for (const name of ["signalUnknownCredential", "signalAllAcceptedCredentials",
                    "signalCurrentUserDetails"]) {
  PublicKeyCredential[name] = async (value) => { window.signals.push([name, value]); };
}
"""
# Autofill would answer before anybody presses a button.
NO_AUTOFILL = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"


class Authenticator:
    """A device that keeps passkeys for one page."""

    def __init__(self, page: Page, **changes: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable", {"enableUI": False})
        added = self.session.send(
            "WebAuthn.addVirtualAuthenticator", {"options": OPTIONS | changes}
        )
        self.id = added["authenticatorId"]

    def set_user_verified(self, *, is_verified: bool) -> None:
        """Whether the device recognises its owner."""
        self._send("setUserVerified", isUserVerified=is_verified)

    def set_present(self, *, is_present: bool) -> None:
        """Whether somebody touches the device when it asks."""
        self._send("setAutomaticPresenceSimulation", enabled=is_present)

    def remove(self) -> None:
        """Take the device away: Chromium has but one that is built in at a time."""
        self._send("removeVirtualAuthenticator")

    def credentials(self) -> list[dict[str, Any]]:
        return self._send("getCredentials")["credentials"]

    def ids(self) -> list[str]:
        """Of its passkeys, as WebAuthn writes them: base64url without padding."""
        return [
            each["credentialId"].replace("+", "-").replace("/", "_").rstrip("=")
            for each in self.credentials()
        ]

    def _send(self, command: str, **values: Any) -> dict[str, Any]:
        return self.session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **values})
