"""News from accounts, sent inside the transaction of the change.

`credentials_changed`: user, stamp (the new security stamp).
"""

from django.dispatch import Signal

credentials_changed = Signal()
