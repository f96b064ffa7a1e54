"""Applications that register themselves (RFC 7591) and look after their registration (RFC 7592).

`document` reads what they send and writes what is kept, `permission` says who may register what,
`flows` does it.
"""
