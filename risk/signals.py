"""News for apps above; for speed only, all security is pulled at use.

`sign_in_judged`: sign_in, verdict, now. Inside the transaction of the verdict.
`sign_in_assessed`: sign_in, now. On commit.
`user_risk_changed`: user_id, organisation_id, level, previous, reasons, now. On commit.
"""

from django.dispatch import Signal

sign_in_judged = Signal()
sign_in_assessed = Signal()
user_risk_changed = Signal()
