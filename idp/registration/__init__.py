"""What may be registered for a client: rules on values, whoever registers it.

metadata.py: what it says of itself, beyond the columns of its row. rules.py: each value, and where
the rules of the metadata meet. addresses.py: the addresses in it. credentials.py: keys and
certificates, and how the client authenticates. authorization_requests.py: how it asks.
responses.py: how it wants to be answered. backchannel.py: asking people by name (CIBA).
sectors.py: whom its subjects belong to.

Ways to register are elsewhere: `idp.flows` by an administrator, `idp.dynamic_registration` by the
application, `idp.client_documents` by a document at its client_id.
"""
