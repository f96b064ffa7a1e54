# Is this session still good, and good enough for what is asked?
#
# Whatever speaks against it is a reason, and each reason has its verdict. The strictest verdict wins:
# revoke, deny, step_up, restrict, allow. Without any reason the answer is allow; facts that are missing
# make the answer undefined, and undefined means deny. A reason without a verdict denies.
#
# This runs at every use, and each rule costs something even where it finds nothing. So most of what can
# be wrong is looked at only where there is a sign of it, and all that is always looked at is one rule.
package sallyport

import rego.v1

verdicts := {
	# The session is over.
	"user_inactive": "revoke", "organisation_inactive": "revoke", "credentials_changed": "revoke",
	"session_ended": "revoke", "session_idle": "revoke", "session_expired": "revoke",
	"device_lost": "revoke", "device_revoked": "revoke",
	"user_locked": "revoke", "session_locked": "revoke", "device_locked": "revoke",
	"credential_locked": "revoke",
	# Prove more, then ask again.
	"role_requires_stronger_authentication": "step_up",
	"resource_requires_stronger_authentication": "step_up",
	"authentication_too_old": "step_up", "binding_proof_too_old": "step_up",
	"sign_in_at_risk": risk_verdict, "account_at_risk": risk_verdict,
	# Yes, without what is withheld.
	"roles_withheld": "restrict", "scopes_withheld": "restrict",
}

# --- what a glance at the facts tells -----------------------------------------------------------

# `plain` are reasons by themselves. `signs` are what the rules for `suspicions` rest on: without any of
# them none is looked at, so a rule that needs another sign has to name it here.
#
# A fact that is missing leaves all of this undefined. So does a number that is none: it has no sum and
# no difference. Of any other fact all but its harmless value is a sign, and its kind is looked at then.
# (A built-in function costs as much as three looks, a rule as much as ten: hence no limit has a name.)
glance := {
	"plain": {
		"user_inactive": user.is_active != true,
		"organisation_inactive": input.organisation_is_active != true,
		"credentials_changed": user.stamp_matches != true,
		"session_ended": session.is_ended != false,
		"session_idle": session.idle_remaining - 1 < 0,
		"session_expired": session.absolute_remaining - 1 < 0,
		"client_inactive": resource.client_is_active != true,
		"email_unverified": user.email_verified != true,
		"not_authenticated": session.level - 1 < 0,
		"device_trusted_too_little": device.tier - resource.required_tier < 0,
		"resource_requires_stronger_authentication": session.level - resource.required_level < 0,
	},
	"signs": {
		"device_is_off": (state in {"", "pending", "enrolled", "suspended", "retired"}) != true,
		"locks": input.locks != [],
		"roles_demand_more": session.level - input.role_level < 0,
		"age_is_limited": resource.max_age + 1 > 0,
		"must_be_bound": input.binding_is_required != false,
		"is_bound": session.binding != "",
		"sign_in_at_risk": risk.level - 3 >= 0,
		"account_at_risk": risk.user_level - 3 >= 0,
		"roles_have_tiers": input.role_tiers != {},
		"scopes_have_tiers": resource.scope_tiers != {},
	},
} if {
	user := input.user
	session := input.session
	device := input.device
	state := device.state
	risk := input.risk
	resource := input.resource
	session.authentication_age + session.proof_age + session.age + risk.provable_level
}

reasons contains reason if {
	some kind
	true in glance[kind]
	some reason in against
}

against := {"facts_malformed"} if {
	not are_well_formed
} else := suspicions | {reason | some reason, true in glance.plain}

are_well_formed if {
	input.device.state in {"", "pending", "enrolled", "suspended", "lost", "revoked", "retired"}
	input.session.binding in {"", "dbsc", "webcrypto"}
	input.binding_is_required in {true, false}
	is_array(input.locks)
	every target in input.locks {
		is_string(target)
	}
	every tiers in [input.role_tiers, input.resource.scope_tiers] {
		is_object(tiers)
		every tier in tiers {
			is_number(tier)
		}
	}
}

signs := glance.signs

# --- the device ---------------------------------------------------------------------------------

# (What is named here is a text, or `against` asks for no suspicions; a test may ask for them alone.)
suspicions contains concat("_", ["device", input.device.state]) if {
	signs.device_is_off
	is_string(input.device.state)
}

# --- locks --------------------------------------------------------------------------------------

# What a session is made of ends it; for any other kind it is only stopped, as "client_locked",
# "address_locked" and whatever else there may be have no verdict above.
suspicions contains concat("_", [target, "locked"]) if {
	some target in input.locks
	is_string(target)
}

# --- strength and freshness ---------------------------------------------------------------------

suspicions contains "role_requires_stronger_authentication" if {
	signs.roles_demand_more
	input.trigger in {"login", "authorize", "token", "refresh", "authzen", "forward_auth", "admin"}
}

suspicions contains "authentication_too_old" if {
	signs.age_is_limited
	input.session.authentication_age > input.resource.max_age
}

# --- binding ------------------------------------------------------------------------------------

# A browser has this many seconds to bind a session that has just begun.
binding_grace := 120

suspicions contains "session_unbound" if {
	signs.must_be_bound
	input.session.binding == ""
	input.session.age > binding_grace
}

# In a browser the key of a bound session is shown every few minutes; otherwise somebody proves to be
# there.
max_proof_age := 900

suspicions contains "binding_proof_too_old" if {
	signs.is_bound
	is_proof_too_old
}

is_proof_too_old if {
	not is_within(input.session.proof_age, max_proof_age)
	input.session.authentication_age > max_proof_age
	input.trigger in {"request", "authorize", "admin"}
}

is_within(age, limit) if {
	age >= 0
	age <= limit
}

# --- risk ---------------------------------------------------------------------------------------

suspicions contains "sign_in_at_risk" if {
	signs.sign_in_at_risk
	not answers_risk(input.risk.is_answered)
}

suspicions contains "account_at_risk" if {
	signs.account_at_risk
	not answers_risk(input.risk.is_user_answered)
}

answers_risk(is_proven_since) if {
	is_proven_since == true
	input.session.level >= risk_demands
}

# Two factors at least, and a passkey from whoever has one: a code can be passed on to an attacker.
risk_demands := max([2, min([3, input.risk.provable_level])])

# Whoever has nothing but a password cannot show that it was not stolen.
default risk_verdict := "deny"

risk_verdict := "step_up" if input.risk.provable_level >= 2

# --- what is withheld ---------------------------------------------------------------------------

suspicions contains "roles_withheld" if withheld_roles != set()

suspicions contains "scopes_withheld" if withheld_scopes != set()

withheld_roles contains name if {
	some name, tier in input.role_tiers
	input.device.tier < tier
}

withheld_scopes contains name if {
	some name, tier in input.resource.scope_tiers
	input.device.tier < tier
}

# --- the answer ---------------------------------------------------------------------------------

found := {object.get(verdicts, reason, "deny") | some reason in reasons}

outcome := "revoke" if {
	"revoke" in found
} else := "deny" if {
	"deny" in found
} else := "step_up" if {
	"step_up" in found
} else := "restrict"

# What is proven because of a risk is proven now.
demands := {"level": risk_demands, "max_age": 0} if {
	count(reasons & {"sign_in_at_risk", "account_at_risk"}) > 0
} else := {"level": 1, "max_age": max_proof_age} if {
	"binding_proof_too_old" in reasons
	input.resource.max_age < 0
} else := {"level": 1, "max_age": input.resource.max_age}

decision := {
	"outcome": "allow",
	"reasons": set(),
	"required_level": 1,
	"max_age": -1,
	"withheld_scopes": set(),
	"withheld_roles": set(),
} if {
	glance
	reasons == set()
} else := {
	"outcome": outcome,
	"reasons": reasons,
	"required_level": max([input.role_level, input.resource.required_level, demands.level]),
	"max_age": demands.max_age,
	"withheld_scopes": withheld_scopes,
	"withheld_roles": withheld_roles,
} if {
	glance
	not "facts_malformed" in reasons
}
