"""Who a client is, how it proves that, and what people are shown of it.

authentication.py: the client as machine endpoints see it, and its ways to authenticate:
assertions.py by a signature, certificates.py by TLS. public_keys.py: what it signs by.
rows.py: its row, for those who authenticated as it. introduction.py: its own words.
logos.py: its picture, if pictures.py takes it for one.
"""
