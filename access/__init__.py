"""Just-in-time privilege: roles for a time, for a reason, by somebody else's leave.

An **entitlement** says what may be asked for and on what terms, an **eligibility** who may ask, a
**grant** is one asking and what came of it, from the request to the end. A grant that is active is
nothing but role assignments that name it (`accounts.flows.elevate`): what it gives is compared at
every use, so nothing here has to run for it to end.

`flows` changes, `reading` tells, `explaining` says why not. Whether somebody may is asked of
`policies/access.rego` (`judging`), at the request, at every approval and at the activation. Knows
no application, no token and no page.
"""
