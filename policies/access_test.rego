package sallyport_access_test

import data.sallyport.access
import rego.v1

good := {
	"action": "request",
	"entitlement": {
		"is_active": true, "max_duration": 3600, "start_horizon": 86400, "reason_required": true,
		"approver_reason_required": true, "required_level": 2, "max_age": 900, "required_tier": 2,
		"binds_network": false, "condition_holds": true, "break_glass_duration": 600,
	},
	"requester": {"is_active": true, "is_locked": false, "eligible_for": 60},
	"session": {
		"is_allowed": true, "level": 2, "authentication_age": 60, "tier": 2, "has_address": true,
	},
	"request": {
		"duration": 600, "starts_in": 0, "has_reason": true, "ticket": "good", "has_open": false,
		"extends_live": true, "terms_hold": true, "remaining": 60, "stage_remaining": 60,
		"unreviewed": 0,
	},
	"answer": {
		"is_approver": true, "is_own": false, "is_same_person": false,
		"acts_for_requester": false, "has_answered": false, "has_reason": true,
		"has_written": false,
	},
	"approvals": {"hold": true, "are_of_others": true},
}

for_action(action) := json.patch(good, [{"op": "replace", "path": "/action", "value": action}])

with_fact(action, path, value) := json.patch(for_action(action), [{"op": "replace", "path": path, "value": value}])

actions := {"request", "extend", "activate", "break_glass", "approve", "deny"}

test_every_action_is_allowed_on_good_facts if {
	every action in actions {
		a := access.answer with input as for_action(action)
		a.allowed == true
	}
}

test_an_unknown_action_is_undefined if {
	not access.answer with input as for_action("administer")
}

test_a_missing_fact_is_undefined if {
	every path in [
		"/requester/is_locked", "/session/level", "/request/duration", "/entitlement/max_age",
		"/entitlement/reason_required", "/entitlement/approver_reason_required",
		"/entitlement/binds_network", "/session/has_address", "/request/has_reason",
		"/answer/has_reason", "/answer/is_own", "/answer/has_written", "/approvals/hold",
	] {
		not access.answer with input as json.patch(good, [{"op": "remove", "path": path}])
	}
}

test_a_fact_of_another_kind_is_no if {
	a := access.answer with input as with_fact("request", "/requester/is_active", "yes")
	a.allowed == false
}

test_nobody_answers_their_own_request if {
	every fact in ["is_own", "is_same_person", "acts_for_requester", "has_written"] {
		every action in ["approve", "deny"] {
			a := access.answer with input as with_fact(action, sprintf("/answer/%s", [fact]), true)
			a.allowed == false
		}
	}
}

test_a_ticket_is_good_still_when_somebody_approves if {
	every ticket in ["unknown", "unavailable", "malformed", "missing"] {
		a := access.answer with input as with_fact("approve", "/request/ticket", ticket)
		a.allowed == false
		b := access.answer with input as with_fact("deny", "/request/ticket", ticket)
		b.allowed == true
	}
}

test_who_is_no_approver_answers_nothing if {
	a := access.answer with input as with_fact("approve", "/answer/is_approver", false)
	a.allowed == false
}

test_an_approver_shows_two_factors_whatever_is_asked_for if {
	i := json.patch(with_fact("approve", "/session/level", 1), [{"op": "replace", "path": "/entitlement/required_level", "value": 0}])
	a := access.answer with input as i
	a.allowed == false
	a.step_up == true
	a.demanded_level == 2
}

test_what_only_a_sign_in_lacks_asks_for_one if {
	a := access.answer with input as with_fact("request", "/session/authentication_age", 901)
	a.step_up == true
	b := access.answer with input as json.patch(with_fact("request", "/session/level", 1), [{"op": "replace", "path": "/requester/eligible_for", "value": 0}])
	b.step_up == false
}

test_no_limit_of_age_is_none if {
	a := access.answer with input as json.patch(with_fact("request", "/session/authentication_age", 99999), [{"op": "replace", "path": "/entitlement/max_age", "value": -1}])
	a.allowed == true
}

test_a_duration_is_within_its_bounds if {
	every duration in [0, -1, 3601] {
		a := access.answer with input as with_fact("request", "/request/duration", duration)
		a.checks.duration_within == false
	}
	b := access.answer with input as with_fact("request", "/request/duration", 3600)
	b.allowed == true
}

test_a_start_is_neither_past_nor_too_far if {
	every start in [-1, 86401] {
		a := access.answer with input as with_fact("request", "/request/starts_in", start)
		a.checks.start_ahead == false
	}
}

test_the_last_second_is_over if {
	a := access.answer with input as with_fact("request", "/requester/eligible_for", 0)
	a.checks.eligible == false
	b := access.answer with input as with_fact("approve", "/request/remaining", 0)
	b.checks.in_time == false
	c := access.answer with input as with_fact("approve", "/request/stage_remaining", 0)
	c.checks.stage_in_time == false
}

test_activation_does_not_begin_before_its_start if {
	a := access.answer with input as with_fact("activate", "/request/starts_in", 1)
	a.allowed == false
	a.final == false
}

test_what_is_gone_for_good_is_final if {
	every path in ["/approvals/hold", "/approvals/are_of_others", "/request/terms_hold", "/entitlement/is_active"] {
		a := access.answer with input as with_fact("activate", path, false)
		a.allowed == false
		a.final == true
	}
}

test_what_may_pass_is_not_final if {
	a := access.answer with input as with_fact("activate", "/session/tier", 1)
	a.allowed == false
	a.final == false
	b := access.answer with input as with_fact("activate", "/requester/is_locked", true)
	b.final == false
}

test_a_ticket_that_is_not_good_stops_it if {
	every ticket in ["missing", "malformed", "unknown", "unavailable", "anything"] {
		every action in ["request", "activate"] {
			a := access.answer with input as with_fact(action, "/request/ticket", ticket)
			a.checks.ticket_good == false
		}
	}
}

test_an_emergency_needs_a_rule_a_reason_and_a_clean_slate if {
	every change in [["/entitlement/break_glass_duration", 0], ["/request/has_reason", false], ["/request/unreviewed", 1], ["/request/duration", 601]] {
		a := access.answer with input as with_fact("break_glass", change[0], change[1])
		a.allowed == false
	}
}

test_a_denial_needs_nothing_of_the_requester if {
	a := access.answer with input as with_fact("deny", "/requester/eligible_for", 0)
	a.allowed == true
}

test_an_address_is_known_where_it_binds if {
	i := json.patch(with_fact("activate", "/session/has_address", false), [{"op": "replace", "path": "/entitlement/binds_network", "value": true}])
	a := access.answer with input as i
	a.checks.network_known == false
}
