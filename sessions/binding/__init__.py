"""Sessions bound to a key of the browser, so that a copied cookie is not a copied session.

Two kinds of key. Browsers that speak Device Bound Session Credentials (W3C) keep one in hardware
where they can, and refresh by themselves whatever needs it. Elsewhere static/js/binding.js keeps a
key of WebCrypto that cannot be exported. Either proves itself by signing a challenge of ours, and
earns a bound cookie for ten minutes; without one the cookie session is not signed in.

`proof` reads what is signed, `challenges` are what is signed, `cookie` is what it earns, `flows`
bind and prove, `guard` is what the middleware and privileged pages ask.
"""
