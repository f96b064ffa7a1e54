"""`sallyport`, the command-line client: access for a time, asked for and answered at a terminal.

    sallyport login https://id.example.org --client-id app_…
    sallyport request db-admin --minutes 30 --reason "to mend it" --wait

It knows the product by its API alone (docs/api.md) and imports nothing of it. A person signs in by
the device authorization grant (RFC 8628): at a browser, by whatever they prove themselves with. So
what it begins counts in that browser's sign-in, and in the tokens that the client has of it.

server.py: requests and their refusals. keeping.py: the tokens, in a file of one's own.
commands.py: what each command does. telling.py: how it is told. __main__.py: the words of a call.
"""
