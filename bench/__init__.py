"""What a request costs, beside a peer, in one run on one machine.

    python -m bench [--seconds 2] [--rounds 3] [--connections 8]

Five works (client credentials, refresh, code exchange, introspection, JWKS) are put on
Sallyport and on a tuned django-oauth-toolkit, each in turn, round after round, over one
PostgreSQL cluster with every durability setting on. The result is CPU per request: the server's
process tree and PostgreSQL's, read from /proc, over the answers that were right. Requests per
second stand beside it as an illustration, for they move with whatever else the machine does.

Nothing outside this folder imports it, and it imports the product only in `bench/sallyport.py`
and `bench/cluster.py`.

    __main__.py    the command                     load.py, wrk.lua   what is asked, what is right
    run.py         rounds, seeding, CPU            generator.py       the load where wrk is missing
    cluster.py     the PostgreSQL of the run       measure.py         CPU, memory, versions
    servers.py     granian, the same for all       report.py          the table, the result file
    sallyport.py   ourselves                       toolkit.py, dot/   the peer
"""
