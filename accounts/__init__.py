"""Who people are: organisations, users, roles, sign-up, passwords, recovery, invitations.

Every user, role and group belongs to one organisation. Every change of a credential rotates the
user's `security_stamp`; sessions compare it at each use and end when it differs.
Login, sign-up, verification and reset are django-allauth's, shaped by `adapter.py`; it knows no
factor and no session.
"""
