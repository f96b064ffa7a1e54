"""OpenID AuthZEN Authorization API 1.0, apart from HTTP and from where facts come from.

model.py: who may do what to what. reading.py: requests as they were sent, or what is wrong with
them. deciding.py: the questions to policy and what its answers become. paging.py: tokens for the
next page of a search. It knows no database and no caller; both belong to `idp.authzen`.
"""
