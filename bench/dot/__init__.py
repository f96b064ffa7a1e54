"""The peer: a django-oauth-toolkit project, tuned as far as settings go.

It runs in a virtual environment of its own (bench/requirements-dot.txt), never in the product's.
"""
