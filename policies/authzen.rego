# May this subject do this to this resource? The default answers of the AuthZEN API.
#
# input.evaluations holds the questions, and each has its answer at the same place. A subject holds the
# permissions of its live roles: the standing ones, and those of the session where context.sid names
# one of its own, which then is judged as well. What a resource is classified as asks for a strong
# sign-in and a trusted device on top. Whatever speaks against it is a reason; with any, or with facts
# missing, the answer is no.
package sallyport.authzen

import rego.v1

decisions := [verdict(asked) | some asked in input.evaluations]

verdict(asked) := answer if {
	subject := subject_of(asked)
	origin := origin_of(asked, subject)
	resource := resource_of(asked)
	demand := demands[resource.classification]
	against := {
		"organisation_inactive": input.organisation_is_active != true,
		"subject_inactive": subject.is_active != true,
		"subject_locked": count(subject.locks) > 0,
		"account_at_risk": origin.risk_level >= high_risk,
		"session_unknown": origin.state == "unknown",
		"session_refused": origin.state == "refused",
		"permission_missing": is_missing(asked, subject, origin, resource),
		"stronger_authentication_needed": origin.level < demand.level,
		"device_trusted_too_little": origin.tier < demand.tier,
	}
	answer := told(asked, subject, against, origin, demand)
} else := denied({"subject_unknown"}, {}) if {
	not subject_of(asked)
} else := denied({"policy_undefined"}, {})

# By object.get and not by reference: where a batch names many, the embedded engine looks at them all.
subject_of(asked) := subject if {
	subject := object.get(object.get(input.subjects, asked.subject.type, {}), asked.subject.id, false)
	subject != false
}

denied(reasons, context) := {"decision": false, "reasons": sort(reasons), "context": context}

# --- where it is asked from ---------------------------------------------------------------------

# In a session it is known how strongly somebody has signed in, on which device, and whether a risk was
# answered since. A workload has no second factor and no device, but keys that nobody types.
origin_of(asked, subject) := session if {
	named := asked.context.sid
	session := session_of(named, subject)
} else := {
	"state": "unnamed", "roles": subject.roles, "level": 0, "tier": 0,
	"risk_level": subject.risk_level,
} if {
	not asked.context.sid
	asked.subject.type == "user"
} else := {
	"state": "workload", "roles": roles_of(asked, subject), "level": 2, "tier": 2,
	"risk_level": subject.risk_level,
} if {
	not asked.context.sid
	asked.subject.type != "user"
}

# From where it acts whoever asks has seen, and says.
roles_of(asked, subject) := there.roles if {
	some there in object.get(subject, "roles_at", [])
	there.ip_address == asked.subject.properties.ip_address
} else := subject.roles

session_of(named, subject) := {
	"state": state_for(session.outcome), "outcome": session.outcome, "roles": session.roles,
	"level": session.level, "tier": session.tier, "risk_level": 0,
	"required_acr": session.required_acr, "limited": object.get(session, "limited", []),
} if {
	session := object.get(input.sessions, named, {})
	session.user == subject.id
} else := {"state": "unknown", "roles": [], "level": 0, "tier": 0, "risk_level": 0}

state_for(outcome) := "good" if {
	outcome in {"allow", "restrict"}
} else := "refused"

high_risk := 3

# --- what it may do -----------------------------------------------------------------------------

# What is public is for everybody of the organisation to read. Owners decide about what is theirs.
reading := {"read", "view", "get", "list"}

is_missing(asked, subject, origin, resource) := false if {
	some role in origin.roles
	some type in [asked.resource.type, "*"]
	some action in [asked.action.name, "*"]
	action in object.get(object.get(input.roles, role, {}), type, [])
} else := false if {
	some limited in object.get(origin, "limited", [])
	limited.type == asked.resource.type
	limited.id == asked.resource.id
	limited.level <= origin.level
	limited.tier <= origin.tier
	some type in [asked.resource.type, "*"]
	some action in [asked.action.name, "*"]
	action in object.get(object.get(input.roles, limited.role, {}), type, [])
} else := false if {
	resource.owner == subject.id
} else := false if {
	resource.classification == "public"
	asked.action.name in reading
} else := true

# --- what the resource asks for -----------------------------------------------------------------

unregistered := {"classification": "internal", "owner": "", "properties": {}}

resource_of(asked) := object.get(
	object.get(input.resources, asked.resource.type, {}), asked.resource.id, unregistered,
)

demands := {
	"public": {"level": 0, "tier": 0},
	"internal": {"level": 0, "tier": 0},
	"confidential": {"level": 2, "tier": 2},
	"restricted": {"level": 3, "tier": 3},
}

# --- the answer ---------------------------------------------------------------------------------

told(asked, subject, against, origin, demand) := {"decision": true, "reasons": [], "context": {}} if {
	not true in against
} else := denied(reasons, hints(asked, subject, reasons, origin, demand)) if {
	reasons := {named | some reason, true in against; named := reason_for(reason, origin)}
}

# Nobody proves more to whom a session, or a person, is missing.
reason_for(reason, origin) := instead if {
	reason in {"stronger_authentication_needed", "device_trusted_too_little"}
	instead := {"unnamed": "session_needed", "workload": "person_needed", "unknown": "session_unknown"}[origin.state]
} else := reason

acr := ["", "aal1", "aal2", "phr", "phrh"]

# One that the subject may ask for, and that gives a role with the permission, for this resource too.
helpful_entitlement(asked, subject) := min({offer.entitlement |
	some offer in subject.may_ask
	reaches(offer.resources, asked.resource)
	some type in [asked.resource.type, "*"]
	some action in [asked.action.name, "*"]
	action in object.get(object.get(input.roles, offer.role, {}), type, [])
})

reaches(resources, _) if count(resources) == 0

reaches(resources, wanted) if {
	some resource in resources
	resource.type == wanted.type
	resource.id == wanted.id
}

hints(asked, subject, reasons, origin, demand) := object.union_n([hint | some hint in found]) if {
	found := {hint |
		"stronger_authentication_needed" in reasons
		hint := {"acr_values": acr[demand.level]}
	} | {hint |
		"device_trusted_too_little" in reasons
		hint := {"required_tier": demand.tier}
	} | {hint |
		"permission_missing" in reasons
		entitlement := helpful_entitlement(asked, subject)
		hint := {"access_request": concat("", [input.request_url, entitlement])}
	} | {hint |
		"session_refused" in reasons
		origin.outcome == "step_up"
		hint := {"acr_values": origin.required_acr}
	}
}
