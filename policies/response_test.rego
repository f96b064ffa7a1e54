package sallyport.response_test

import data.sallyport.response
import rego.v1

acts(kind, facts) := {action.act | some action in response.actions with input as {"kind": kind, "facts": facts}}

test_a_replay_is_told if acts("token_replay", {}) == {"notify"}

test_a_lost_device_ends_what_it_carries if {
	acts("device_lost", {}) == {"end_device_sessions"}
}

test_a_revoked_device_does_too if {
	acts("device_revoked", {}) == {"end_device_sessions"}
}

test_a_device_that_stops_to_comply_ends_what_it_carries if {
	acts("posture_changed", {"previous": 2, "current": 1}) == {"end_device_sessions"}
	acts("posture_changed", {"previous": 4, "current": 0}) == {"end_device_sessions"}
}

test_a_tier_that_still_complies_or_never_did_ends_nothing if {
	acts("posture_changed", {"previous": 3, "current": 2}) == set()
	acts("posture_changed", {"previous": 1, "current": 0}) == set()
	acts("posture_changed", {"previous": 0, "current": 2}) == set()
}

test_high_risk_is_told_once if {
	acts("account_at_risk", {"level": "high", "previous": "medium", "reason": "spray"}) == {"notify"}
	acts("account_at_risk", {"level": "high", "previous": "high", "reason": "spray"}) == set()
}

test_medium_risk_has_no_consequence if {
	acts("account_at_risk", {"level": "medium", "previous": "not assessed", "reason": "takeover"}) == set()
}

test_a_takeover_is_locked_until_it_is_recovered if {
	acts("account_at_risk", {"level": "high", "previous": "medium", "reason": "takeover"}) == {"lock", "end_sessions", "notify"}
	some action in response.actions with input as {
		"kind": "account_at_risk",
		"facts": {"level": "high", "previous": "high", "reason": "takeover"},
	}
	action == {"act": "lock", "target": "user", "minutes": 0, "needs_recovery": true}
}

test_what_nobody_knows_has_no_consequence if acts("eclipse", {}) == set()
