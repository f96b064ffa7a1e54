"""From an authorization request to its answer.

sources.py: where its parameters come from. checks.py: is the request one that this client may make?
facts.py: what is known about the browser. next_step.py: what to do now, as a pure function.
pending.py: a request on its way through sign-in. issue.py: the answer: a code, tokens
(front_channel.py) or an error, and what the client's page asks by later (session_state.py).
reply.py: how it travels back to the client. initiation.py: asking a client to begin.
"""
