"""Second factors: TOTP, passkeys, recovery codes. It proves; it does not know sessions.

`flows.proven_assurance` says what was proven; raising a session's assurance is the caller's
business. `stages.py` is the one door to allauth's private API.
"""
