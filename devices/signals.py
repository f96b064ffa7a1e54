"""News from devices, sent on commit; no rule rests on their arrival.

`device_enrolled`: device, user (who allowed it), now.
`device_changed`: device, previous_state, state, previous_tier, tier, now. One of both differs.
"""

from django.dispatch import Signal

device_enrolled = Signal()
device_changed = Signal()
