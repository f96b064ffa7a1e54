"""What happened: one append-only row for each change, in the transaction of the change.

Public: `recorder.record`, `recorder.insert` (for raw statements), `recorder.ref`, `events.Event`.
It knows no app above: actors and subjects are typed references, `accounts.User:<uuid>`.
Rows are shaped as leaves of a Merkle log: complete, canonical, never updated.
"""
