"""Telling chat rooms what happens to access: Slack, Mattermost, Teams, or a server of one's own.

What is told is written down in the transaction of what happened (`notes.py`), put into words when
it is sent (`messages.py`), shaped for whoever receives (`formats.py`) and sent by a worker
(`delivery.py`, by `core.outbox`). A room is told of things; nothing can be done from there: a
message holds one link, to a page that asks again. Its address is a secret and kept sealed.
"""
