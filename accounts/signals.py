"""News from accounts, sent inside the transaction of the change.

`credentials_changed`: user, stamp (the new security stamp).
`lock_placed`: lock, cause (the transaction id). Sent on commit, for speed only: every use asks for
locks itself.
"""

from django.dispatch import Signal

credentials_changed = Signal()
lock_placed = Signal()
