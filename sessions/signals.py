"""News for apps above, sent on commit; for speed only, all security is pulled at use.

`session_ended`: session (LoginSession), reason.
`assurance_changed`: session (LoginSession).
`signed_in`: user, session, browser_is_new, now.
"""

from django.dispatch import Signal

session_ended = Signal()
assurance_changed = Signal()
signed_in = Signal()
