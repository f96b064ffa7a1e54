"""News for apps above, sent on commit; for speed only, all security is pulled at use.

`grant_changed`: grant, kind (`access.models.EventKind`), now.
"""

from django.dispatch import Signal

grant_changed = Signal()
