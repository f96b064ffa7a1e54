"""The OpenID Provider: clients, authorization, grant types, tokens, keys, consent, logout.

OAuth 2.1, OpenID Connect Core 1.0, RFC 7009, 7636, 7662, 9068, 9207. Authlib gives grant types,
client authentication and protocol errors; this layer owns consume-once, expiry, client binding,
PKCE and every token (`tokens/mint.py`). `grant` alone never names a variable here: a Grant is an
elevated right, OAuth's are grant types.
"""
