package sallyport.authzen_test

import data.sallyport.authzen
import rego.v1

asked := {
	"subject": {"type": "user", "id": "alice@acme.example", "properties": {}},
	"action": {"name": "read", "properties": {}},
	"resource": {"type": "report", "id": "r-1", "properties": {}},
	"context": {},
}

known := {
	"organisation_is_active": true,
	"request_url": "https://id.example/access/request/?entitlement=",
	"subjects": {
		"user": {"alice@acme.example": {
			"id": "u-1", "is_active": true, "locks": [], "risk_level": 0, "roles": ["reader"],
			"may_ask": [
				{"role": "writer", "entitlement": "all-night", "resources": []},
				{"role": "reader", "entitlement": "reading", "resources": []},
			],
		}},
		"client": {"nightly": {
			"id": "c-1", "is_active": true, "locks": [], "risk_level": 0, "roles": ["reader"],
			"may_ask": [],
		}},
	},
	"sessions": {"s-1": {
		"user": "u-1", "outcome": "allow", "level": 3, "tier": 3, "roles": ["reader", "writer"],
		"required_acr": "",
	}},
	"resources": {"report": {
		"r-1": {"classification": "internal", "owner": "", "properties": {}},
		"r-2": {"classification": "confidential", "owner": "", "properties": {}},
		"r-3": {"classification": "restricted", "owner": "", "properties": {}},
		"r-4": {"classification": "public", "owner": "", "properties": {}},
		"r-5": {"classification": "internal", "owner": "u-1", "properties": {}},
	}},
	"roles": {
		"reader": {"report": ["read"]},
		"writer": {"*": ["*"]},
	},
}

on(changes, facts) := d if {
	i := json.patch(object.union(known, {"evaluations": [json.patch(asked, changes)]}), facts)
	d := authzen.decisions[0] with input as i
}

answer(changes) := on(changes, [])

set_to(path, value) := {"op": "add", "path": path, "value": value}

session := set_to("/context/sid", "s-1")

resource(id) := set_to("/resource/id", id)

action(name) := set_to("/action/name", name)

alice := "/subjects/user/alice@acme.example"

test_a_permission_of_a_role_allows if answer([]).decision == true

test_another_action_is_denied if {
	d := answer([action("write")])
	d.decision == false
	d.reasons == ["permission_missing"]
}

test_another_type_is_denied if answer([set_to("/resource/type", "invoice")]).decision == false

test_roles_of_the_named_session_count if answer([action("write"), session]).decision == true

test_an_unknown_session_is_denied if {
	answer([set_to("/context/sid", "s-2")]).reasons == ["permission_missing", "session_unknown"]
	answer([set_to("/context/sid", null)]).decision == false
	answer([set_to("/context/sid", {"s": 1})]).decision == false
}

test_another_persons_session_is_denied if {
	d := on([session], [set_to("/sessions/s-1/user", "u-2")])
	"session_unknown" in d.reasons
}

test_a_session_that_is_refused_is_denied if {
	every outcome in ["step_up", "deny", "revoke", "nonsense"] {
		d := on([session], [set_to("/sessions/s-1/outcome", outcome)])
		d.reasons == ["session_refused"]
	}
}

test_step_up_says_what_would_help if {
	d := on([session], [set_to("/sessions/s-1/outcome", "step_up"), set_to("/sessions/s-1/required_acr", "phr")])
	d.context == {"acr_values": "phr"}
}

test_confidential_needs_a_session if answer([resource("r-2")]).reasons == ["session_needed"]

test_confidential_in_a_good_session if answer([resource("r-2"), session]).decision == true

test_confidential_needs_two_factors_and_a_device if {
	d := on([resource("r-2"), session], [set_to("/sessions/s-1/level", 1), set_to("/sessions/s-1/tier", 1)])
	d.reasons == ["device_trusted_too_little", "stronger_authentication_needed"]
	d.context == {"acr_values": "aal2", "required_tier": 2}
}

test_restricted_needs_a_passkey if {
	on([resource("r-3"), session], [set_to("/sessions/s-1/level", 2)]).reasons == ["stronger_authentication_needed"]
	answer([resource("r-3"), session]).decision == true
}

test_restricted_is_for_people if {
	workload := set_to("/subject", {"type": "client", "id": "nightly", "properties": {}})
	answer([workload]).decision == true
	answer([workload, resource("r-2")]).decision == true
	answer([workload, resource("r-3")]).reasons == ["person_needed"]
}

test_from_where_a_workload_acts_others_of_its_roles_count if {
	at := set_to("/subjects/client/nightly/roles_at", [{"ip_address": "192.0.2.7", "roles": ["reader", "writer"]}])
	nightly := {"type": "client", "id": "nightly", "properties": {"ip_address": "192.0.2.7"}}
	on([set_to("/subject", nightly), action("write")], [at]).decision == true
	on([set_to("/subject", nightly), action("write")], []).reasons == ["permission_missing"]
	every odd in ["192.0.2.8", "", null, 7, ["192.0.2.7"], {"ip_address": "192.0.2.7"}] {
		elsewhere := json.patch(nightly, [set_to("/properties/ip_address", odd)])
		on([set_to("/subject", elsewhere), action("write")], [at]).reasons == ["permission_missing"]
		on([set_to("/subject", elsewhere)], [at]).decision == true
	}
}

test_of_a_person_nobody_says_from_where_they_act if {
	at := set_to(concat("", [alice, "/roles_at"]), [{"ip_address": "192.0.2.7", "roles": ["writer"]}])
	stated := set_to("/subject/properties", {"ip_address": "192.0.2.7"})
	on([stated, action("write")], [at]).reasons == ["permission_missing"]
	every sid in ["s-1", "s-2"] {
		d := on([stated, set_to("/context/sid", sid), action("write")], [at, set_to("/sessions/s-1/roles", ["reader"])])
		"permission_missing" in d.reasons
	}
}

test_public_is_for_everybody_to_read if {
	nobody := set_to(sprintf("%s/roles", [alice]), [])
	on([resource("r-4")], [nobody]).decision == true
	on([resource("r-4"), action("delete")], [nobody]).decision == false
	on([resource("r-1")], [nobody]).decision == false
}

test_owners_decide_about_what_is_theirs if {
	answer([resource("r-5"), action("delete")]).decision == true
}

test_an_unregistered_resource_is_internal if answer([resource("r-9")]).decision == true

test_an_unknown_classification_is_denied if {
	d := on([], [set_to("/resources/report/r-1/classification", "secret")])
	d.reasons == ["policy_undefined"]
}

test_an_unknown_subject_is_denied if answer([set_to("/subject/id", "mallory")]).reasons == ["subject_unknown"]

test_what_stops_a_subject if {
	on([], [set_to(sprintf("%s/is_active", [alice]), false)]).reasons == ["subject_inactive"]
	on([], [set_to(sprintf("%s/locks", [alice]), ["user"])]).reasons == ["subject_locked"]
	on([], [set_to(sprintf("%s/risk_level", [alice]), 3)]).reasons == ["account_at_risk"]
	on([], [set_to("/organisation_is_active", false)]).reasons == ["organisation_inactive"]
}

test_risk_is_the_sessions_to_judge if {
	on([session], [set_to(sprintf("%s/risk_level", [alice]), 3)]).decision == true
}

test_a_missing_fact_is_denied if {
	every path in ["is_active", "locks", "risk_level", "roles"] {
		d := on([], [{"op": "remove", "path": sprintf("%s/%s", [alice, path])}])
		d.decision == false
	}
	on([], [{"op": "remove", "path": "/organisation_is_active"}]).decision == false
}

test_each_question_has_its_answer_at_its_place if {
	d := authzen.decisions with input as object.union(known, {"evaluations": [
		asked, json.patch(asked, [action("write")]), {}, asked,
	]})
	[one.decision | some one in d] == [true, false, false, true]
}

test_a_missing_fact_of_a_session_is_denied if {
	every path in ["user", "outcome", "roles", "level", "tier"] {
		d := on([session], [{"op": "remove", "path": sprintf("/sessions/s-1/%s", [path])}])
		d.decision == false
	}
}

test_a_denial_leads_to_what_would_help if {
	d := answer([action("write")])
	d.context == {"access_request": "https://id.example/access/request/?entitlement=all-night"}
}

test_a_denial_leads_to_nothing_that_is_for_others_alone if {
	other := [{"type": "report", "id": "r-2"}]
	wide := [{"role": "writer", "entitlement": "some", "resources": other}]
	d := on([action("write")], [set_to(sprintf("%s/may_ask", [alice]), wide)])
	d.context == {}
	e := on([action("write"), resource("r-2")], [set_to(sprintf("%s/may_ask", [alice]), wide)])
	e.context.access_request == "https://id.example/access/request/?entitlement=some"
}

limited(changes) := set_to("/sessions/s-1", {
	"user": "u-1", "outcome": "allow", "level": 2, "tier": 2, "roles": ["reader"], "required_acr": "",
	"limited": [object.union(
		{"role": "writer", "type": "report", "id": "r-1", "level": 2, "tier": 2},
		changes,
	)],
})

test_a_role_that_is_limited_counts_for_its_resource_alone if {
	d := on([session, action("write")], [limited({})])
	d.decision == true
	every id in ["r-2", "r-4", "r-9"] {
		e := on([session, action("write"), resource(id)], [limited({})])
		e.decision == false
	}
	f := on([session, action("write"), set_to("/resource/type", "table")], [limited({})])
	f.decision == false
}

test_a_role_that_is_limited_asks_for_what_it_demands if {
	every changes in [{"level": 3}, {"tier": 3}, {"role": "reader"}, {"role": "nobody"}] {
		d := on([session, action("write")], [limited(changes)])
		d.decision == false
	}
}

test_a_role_that_is_limited_counts_in_its_session_only if {
	d := on([action("write")], [limited({})])
	d.decision == false
}

test_a_denial_leads_nowhere_where_nothing_helps if {
	reading := [{"role": "reader", "entitlement": "reading", "resources": []}]
	d := on([action("write")], [set_to(sprintf("%s/may_ask", [alice]), reading)])
	d.context == {}
	e := on([resource("r-2")], [])
	e.context == {}
}
