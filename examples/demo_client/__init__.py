"""A small application that signs people in with Sallyport, to read and to copy from.

It is a plain WSGI application: no framework hides what an OpenID Connect client has to do. The
protocol stands in `relying_party.py` alone; `README.md` walks through it line by line.

    python -m examples.demo_client

Environment:

    DEMO_CLIENT_CONFIG        a demo.json of Sallyport, for issuer and the client named "demo"
    DEMO_CLIENT_ISSUER        or: the issuer, e.g. http://localhost:8000
    DEMO_CLIENT_ID            and the client's id
    DEMO_CLIENT_SECRET_FILE   and a file with its secret
    DEMO_CLIENT_PORT          where to listen on this machine; 8010 if not said

Register with the provider: redirect URI http://localhost:<port>/callback and post-logout
redirect URI http://localhost:<port>/.
"""
