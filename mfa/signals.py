"""News from mfa, sent inside the transaction of the change.

`factor_added`: user, proof (the new factor, which was proven as it was added), now.
"""

from django.dispatch import Signal

factor_added = Signal()
