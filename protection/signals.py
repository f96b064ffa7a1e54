"""News about keys, sent inside the transaction that changes them: audit writes it or all fails.

`key_changed`: change ("created", "rotated", "rewrapped"), data_key, now.
"""

from django.dispatch import Signal

key_changed = Signal()
