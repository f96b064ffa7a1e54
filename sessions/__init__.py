"""Who is signed in, how strongly, and whether it is still true.

`LoginSession` rows stand beside Django's cookie sessions; `evaluation.evaluate` is the one gate
that judges them: facts → policy → decision → audit. The label is `idp_sessions`, since Django's own
app holds `sessions`: say `makemigrations idp_sessions`.
"""
