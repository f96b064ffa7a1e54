"""Pages of access for people and approvers. Nothing changes by a GET: mails link here.

`mine` one's own, `asking` for it, `grants` one grant, `answers` those who answer; `proofs` the
way to a stronger sign-in and back.
"""
