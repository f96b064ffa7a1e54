"""From an authorization request to its answer.

sources.py: where its parameters come from. checks.py: is the request one that this client may make? facts.py: what is known about the browser.
next_step.py: what to do now, as a pure function. pending.py: a request on its way through sign-in.
issue.py: the answer, a code or an error, and its way back to the client.
"""
