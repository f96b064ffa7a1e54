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

verdict(asked) := {"decision": true, "reasons": [], "context": {}} if {
	reasons(asked) == set()
} else := {"decision": false, "reasons": sort(why), "context": hints(asked, why)} if {
	why := reasons(asked)
} else := {"decision": false, "reasons": ["policy_undefined"], "context": {}}

reasons(asked) := {"subject_unknown"} if {
	not subject_of(asked)
} else := union({
	subject_reasons(asked), session_reasons(asked), permission_reasons(asked),
	classification_reasons(asked),
})

# --- the subject --------------------------------------------------------------------------------

subject_of(asked) := input.subjects[asked.subject.type][asked.subject.id]

high_risk := 3

subject_reasons(asked) := {reason | some reason, true in against} if {
	subject := subject_of(asked)
	against := {
		"organisation_inactive": input.organisation_is_active != true,
		"subject_inactive": subject.is_active != true,
		"subject_locked": count(subject.locks) > 0,
		"account_at_risk": is_at_risk(asked, subject.risk_level),
	}
}

# In a session it is known whether somebody has proven since to be the account's owner.
is_at_risk(asked, level) := false if {
	names_session(asked)
} else := level >= high_risk

# --- the session that asks ----------------------------------------------------------------------

names_session(asked) if "sid" in object.keys(asked.context)

session_of(asked) := session if {
	session := input.sessions[asked.context.sid]
	session.user == subject_of(asked).id
}

session_reasons(asked) := set() if {
	not names_session(asked)
} else := {"session_unknown"} if {
	not session_of(asked)
} else := set() if {
	session_of(asked).outcome in {"allow", "restrict"}
} else := {"session_refused"}

# --- what it may do -----------------------------------------------------------------------------

roles_of(asked) := subject_of(asked).roles if {
	not names_session(asked)
} else := roles if {
	roles := session_of(asked).roles
} else := []

covers(permission, asked) if {
	permission.type in {"*", asked.resource.type}
	permission.action in {"*", asked.action.name}
}

# What is public is for everybody of the organisation to read. Owners decide about what is theirs.
reading := {"read", "view", "get", "list"}

permission_reasons(asked) := set() if {
	some role in roles_of(asked)
	some permission in input.roles[role]
	covers(permission, asked)
} else := set() if {
	resource_of(asked).owner == subject_of(asked).id
} else := set() if {
	resource_of(asked).classification == "public"
	asked.action.name in reading
} else := {"permission_missing"}

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

demand_of(asked) := demands[resource_of(asked).classification]

# A workload has no device and no second factor: what is restricted is for people.
classification_reasons(asked) := {"classification_unknown"} if {
	not demand_of(asked)
} else := set() if {
	demand_of(asked).level == 0
} else := {"person_needed"} if {
	asked.subject.type != "user"
	resource_of(asked).classification == "restricted"
} else := set() if {
	asked.subject.type != "user"
} else := {"session_needed"} if {
	not names_session(asked)
} else := set() if {
	not session_of(asked)
} else := {reason | some reason, true in against} if {
	session := session_of(asked)
	against := {
		"stronger_authentication_needed": session.level < demand_of(asked).level,
		"device_trusted_too_little": session.tier < demand_of(asked).tier,
	}
}

# --- what would help ----------------------------------------------------------------------------

acr := ["", "aal1", "aal2", "phr", "phrh"]

hints(asked, why) := object.union_n([hint | some hint in found]) if {
	found := {hint |
		"stronger_authentication_needed" in why
		hint := {"acr_values": acr[demand_of(asked).level]}
	} | {hint |
		"device_trusted_too_little" in why
		hint := {"required_tier": demand_of(asked).tier}
	} | {hint |
		"session_refused" in why
		session := session_of(asked)
		session.outcome == "step_up"
		hint := {"acr_values": session.required_acr}
	}
}
