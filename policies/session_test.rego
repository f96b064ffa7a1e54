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
	},
	"role_level": 2,
	"resource": {"client_is_active": true, "required_level": 0, "max_age": -1},
}

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
