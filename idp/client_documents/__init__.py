"""Clients that describe themselves by a document at their client_id, an https URL.

draft-ietf-oauth-client-id-metadata-document-02. `address` judges the URL, `document` reads what is
there, `fetching` asks for it and keeps it in the shared cache, `flows` makes a client of it. A row
comes to be when the first person allows the client; until then it is only held in memory.
"""
