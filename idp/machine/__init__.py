"""The door of the machine endpoints, in front of Django's handler.

door.py: which endpoint answers, and the guard around all. wire.py: requests and answers.
addresses.py: where the endpoints are. discovery.py, protected_resource.py: what we say of them.
server.py: Authlib's phases of the token endpoint; token_server.py: with every grant type.
What the endpoints do is in `idp.endpoints`.
"""
