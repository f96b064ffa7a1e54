"""Applications that know no OpenID Connect, behind a proxy that asks us about each request.

asked.py: what the proxy says was asked, and of whom we believe that. rules.py: what paths of an
application demand. judging.py: the verdict about one request, by one statement. identity.py: what
the application is told of the person. replies.py: the verdict as each proxy wants to hear it.
hosts.py: what we answer at the application's own host, so that its browser gets a cookie there.
sign_in.py: what happens at our own, between the two. withdrawal.py: that a person takes back what
browsers of theirs have there. door.py: all of it in front of Django, where
whatever goes wrong is a no. registration.py: which hosts are whose.
"""
