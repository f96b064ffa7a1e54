"""How unusual what somebody does is: behaviour in, a level with its reasons out.

Knows people, browsers and sessions by their ids only, and decides nothing: policy does.
"""
