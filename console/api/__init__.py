"""The API of the product: whatever a page does, by a token and in JSON, at `/api/v1/`.

It stands here since it is about every app. Each endpoint calls the flow that the page calls, and
asks as much of whoever calls: nothing is decided here.

door.py: who calls, and whether they may. problems.py: how a refusal looks. shapes.py: what members
may be. paging.py: lists, a page at a time. site.py: all of it together; urls.py: where it is.
Every other module has the endpoints about one noun.
"""
