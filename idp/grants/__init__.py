"""Grant types.

The token endpoint's phases are the same for all:

1. authenticate the client (Authlib, `clients.authentication`)   2. may it use this grant type?
3. prove: one statement claims what is single-use   4. judge the session (`sessions.evaluation`)
5. mint (`tokens.mint`)   6. audit, in the same transaction   7. JSON, no-store.

A grant type fills in phase 3 and cannot forget the others.
"""
