package sallyport_test

import data.sallyport
import rego.v1

good := {
	"trigger": "refresh",
	"organisation_is_active": true,
	"user": {"is_active": true, "email_verified": true, "stamp_matches": true},
	"session": {
		"is_ended": false, "idle_remaining": 10, "absolute_remaining": 10,
		"level": 2, "authentication_age": 5, "methods": ["pwd", "otp"],
		"binding": "", "proof_age": -1, "age": 5,
	},
	"device": {"is_enrolled": true, "state": "enrolled", "tier": 2, "posture_age": 60},
	"risk": {
		"level": 1, "is_answered": false, "user_level": 0, "is_user_answered": false,
		"provable_level": 0,
	},
	"network": {"has_changed": false},
	"locks": [],
	"role_level": 2,
	"role_tiers": {},
	"binding_is_required": false,
	"resource": {
		"client_is_active": true, "required_level": 0, "max_age": -1,
		"required_tier": 0, "scope_tiers": {},
	},
}

with_fact(path, value) := json.patch(good, [{"op": "replace", "path": path, "value": value}])

high_risk(answered, level, provable) := json.patch(good, [
	{"op": "replace", "path": "/risk", "value": {
		"level": 3, "is_answered": answered, "user_level": 0, "is_user_answered": false,
		"provable_level": provable,
	}},
	{"op": "replace", "path": "/session/level", "value": level},
])

test_good_session_is_allowed if {
	sallyport.decision.outcome == "allow" with input as good
}

test_inactive_user_is_revoked if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/user/is_active", "value": false}])
	d.outcome == "revoke"
	"user_inactive" in d.reasons
}

test_changed_credentials_are_revoked if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/user/stamp_matches", "value": false}])
	d.outcome == "revoke"
}

test_the_last_second_is_over if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/session/idle_remaining", "value": 0}])
	d.outcome == "revoke"
}

test_inactive_client_is_denied if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/resource/client_is_active", "value": false}])
	d.outcome == "deny"
}

test_role_asks_for_a_second_factor if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/session/level", "value": 1}])
	d.outcome == "step_up"
	d.required_level == 2
}

test_old_authentication_asks_again if {
	d := sallyport.decision with input as json.patch(good, [{"op": "replace", "path": "/resource/max_age", "value": 4}])
	d.outcome == "step_up"
	d.max_age == 4
}

test_a_missing_fact_is_undefined if {
	not sallyport.decision with input as json.patch(good, [{"op": "remove", "path": "/user/stamp_matches"}])
}

test_lost_device_is_revoked if {
	d := sallyport.decision with input as with_fact("/device/state", "lost")
	d.outcome == "revoke"
	"device_lost" in d.reasons
}

test_revoked_device_is_revoked if {
	d := sallyport.decision with input as with_fact("/device/state", "revoked")
	d.outcome == "revoke"
}

test_unknown_device_state_is_undefined if {
	not sallyport.decision with input as with_fact("/device/state", "borrowed")
}

test_locks_on_what_the_session_is_made_of_end_it if {
	every target in ["user", "session", "device", "credential"] {
		d := sallyport.decision with input as with_fact("/locks", [target])
		d.outcome == "revoke"
		sprintf("%s_locked", [target]) in d.reasons
	}
}

test_locks_on_what_asks_stop_it if {
	every target in ["client", "address"] {
		d := sallyport.decision with input as with_fact("/locks", [target])
		d.outcome == "deny"
		sprintf("%s_locked", [target]) in d.reasons
	}
}

test_a_lock_of_an_unknown_kind_stops_it if {
	d := sallyport.decision with input as with_fact("/locks", ["planet"])
	d.outcome == "deny"
}

test_unknown_binding_is_undefined if {
	not sallyport.decision with input as with_fact("/session/binding", "string")
}

test_a_fact_of_another_kind_is_undefined if {
	every path, wrong in {
		"/session/binding": [null, false],
		"/device/state": [null, 1, []],
		"/binding_is_required": ["yes", null, 1],
		"/locks": [[1], [null]],
		"/role_tiers": [{"reader": null}, {"reader": "1"}],
		"/resource/scope_tiers": [{"db.read": true}],
	} {
		every value in wrong {
			not sallyport.decision with input as with_fact(path, value)
		}
	}
}

test_a_missing_number_is_undefined if {
	every path in [
		"/session/idle_remaining", "/session/absolute_remaining", "/session/level",
		"/session/authentication_age", "/session/proof_age", "/session/age", "/role_level",
		"/resource/required_level", "/resource/max_age", "/resource/required_tier", "/device/tier",
		"/risk/level", "/risk/user_level", "/risk/provable_level",
	] {
		not sallyport.decision with input as json.patch(good, [{"op": "remove", "path": path}])
	}
}

test_high_risk_asks_for_as_much_as_can_be_proven if {
	d := sallyport.decision with input as high_risk(false, 3, 3)
	d.outcome == "step_up"
	d.required_level == 3
	d.max_age == 0
}

test_high_risk_is_answered_by_a_strong_proof_since if {
	d := sallyport.decision with input as high_risk(true, 3, 3)
	d.outcome == "allow"
}

test_high_risk_is_not_answered_by_a_weaker_proof if {
	d := sallyport.decision with input as high_risk(true, 2, 3)
	d.outcome == "step_up"
}

test_high_risk_without_a_second_factor_is_denied if {
	d := sallyport.decision with input as high_risk(true, 1, 1)
	d.outcome == "deny"
}

test_an_account_at_risk_asks_again if {
	i := json.patch(high_risk(true, 2, 2), [
		{"op": "replace", "path": "/risk/level", "value": 0},
		{"op": "replace", "path": "/risk/user_level", "value": 3},
	])
	d := sallyport.decision with input as i
	d.outcome == "step_up"
	"account_at_risk" in d.reasons
}

test_an_old_proof_of_the_key_asks_again_in_a_browser if {
	i := json.patch(good, [
		{"op": "replace", "path": "/session/binding", "value": "dbsc"},
		{"op": "replace", "path": "/session/proof_age", "value": 901},
		{"op": "replace", "path": "/session/authentication_age", "value": 901},
		{"op": "replace", "path": "/trigger", "value": "request"},
	])
	d := sallyport.decision with input as i
	d.outcome == "step_up"
	d.max_age == 900
	e := sallyport.decision with input as json.patch(i, [{"op": "replace", "path": "/trigger", "value": "refresh"}])
	e.outcome == "allow"
	f := sallyport.decision with input as json.patch(i, [{"op": "replace", "path": "/session/authentication_age", "value": 900}])
	f.outcome == "allow"
}

test_an_unbound_session_is_denied_where_binding_is_required if {
	i := json.patch(good, [
		{"op": "replace", "path": "/binding_is_required", "value": true},
		{"op": "replace", "path": "/session/age", "value": 121},
	])
	d := sallyport.decision with input as i
	d.outcome == "deny"
	e := sallyport.decision with input as json.patch(i, [{"op": "replace", "path": "/session/age", "value": 120}])
	e.outcome == "allow"
	f := sallyport.decision with input as json.patch(i, [
		{"op": "replace", "path": "/session/binding", "value": "dbsc"},
		{"op": "replace", "path": "/session/proof_age", "value": 0},
	])
	f.outcome == "allow"
}

test_roles_and_scopes_beyond_the_device_are_withheld if {
	i := json.patch(good, [
		{"op": "replace", "path": "/role_tiers", "value": {"db-admin": 3, "reader": 2}},
		{"op": "replace", "path": "/resource/scope_tiers", "value": {"db.write": 3, "db.read": 1}},
	])
	d := sallyport.decision with input as i
	d.outcome == "restrict"
	d.withheld_roles == {"db-admin"}
	d.withheld_scopes == {"db.write"}
	d.reasons == {"roles_withheld", "scopes_withheld"}
}

test_a_client_beyond_the_device_is_denied if {
	d := sallyport.decision with input as with_fact("/resource/required_tier", 3)
	d.outcome == "deny"
}
