"""News from devices, sent on commit; no rule rests on their arrival.

`device_enrolled`: device, user (who allowed it), now.
`device_shared`: device, users (who used it before somebody else joined them), now.
`device_changed`: device, previous_state, state, previous_tier, tier, now. One of both differs.
"""

from django.dispatch import Signal

device_enrolled = Signal()
device_shared = Signal()
device_changed = Signal()
