"""The AuthZEN Authorization API 1.0 over HTTP: our policy, asked by applications and gateways.

caller.py: who may ask. names.py: how questions name people. knowledge.py: the facts about a batch,
of the caller's organisation. searching.py: questions with
their facts to policy. endpoints.py: requests in, answers out. metadata.py: where it is.
The protocol itself is `policy.authzen`.
"""
