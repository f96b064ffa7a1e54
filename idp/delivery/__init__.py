"""Telling clients something later, at least once, by a worker.

outbox.py: claiming, repeating and giving up, for every kind. logout_tokens.py: that a session has
ended. pings.py: that a person has answered.
"""
