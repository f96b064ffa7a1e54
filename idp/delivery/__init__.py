"""Telling clients something later, at least once, by a worker.

logout_tokens.py: that a session has ended. pings.py: that a person has answered. Both by
`core.outbox`, which claims, repeats and gives up.
"""
