# What follows from a signal by itself, in the transaction of what caused it.
#
# input.kind says what happened, input.facts what is known of it. A kind without a rule has no
# consequence here; what a session may still do is judged at each use, by session.rego.
package sallyport.response

import rego.v1

# A token that was used already, or is another's, has been copied. Its family is revoked wherever that
# is noticed; here its owner hears of it.
actions contains {"act": "notify"} if input.kind == "token_replay"

# Nobody is trusted because of a device that somebody else may hold. Its users are told of any device
# that is out of use (`console/receivers.py`).
actions contains {"act": "end_device_sessions"} if input.kind in {"device_lost", "device_revoked"}

# A device that showed to be well and no longer is: who works on it signs in again, and the
# applications that they use are told.
compliant_tier := 2

actions contains {"act": "end_device_sessions"} if {
	input.kind == "posture_changed"
	input.facts.previous >= compliant_tier
	input.facts.current < compliant_tier
}

# An account at high risk has to be proven again: session.rego asks for that. Its owner is told.
actions contains {"act": "notify"} if {
	input.kind == "account_at_risk"
	input.facts.level == "high"
	input.facts.previous != "high"
}

# Whoever changes the address, the password and the second factor one after the other has taken the
# account over, or looks like it.
actions contains {"act": "lock", "target": "user", "minutes": 0, "needs_recovery": true} if {
	is_takeover
}

actions contains {"act": "end_sessions"} if is_takeover

is_takeover if {
	input.kind == "account_at_risk"
	input.facts.level == "high"
	input.facts.reason == "takeover"
}
