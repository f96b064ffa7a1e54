# Is this session still good, and good enough for what is asked?
#
# A verdict is a set of reasons. Plain ones stand in a table, reason by condition; the others are
# rules. The strictest verdict wins: revoke, deny, step_up, restrict, allow. Without any objection the
# answer is allow; facts that are missing make the answer undefined, and undefined means deny.
package sallyport

import rego.v1

# --- revoke: the session is over ----------------------------------------------------------------

over := {
	"user_inactive": input.user.is_active != true,
	"organisation_inactive": input.organisation_is_active != true,
	"credentials_changed": input.user.stamp_matches != true,
	"session_ended": input.session.is_ended != false,
	"session_idle": input.session.idle_remaining <= 0,
	"session_expired": input.session.absolute_remaining <= 0,
	"device_lost": input.device.state == "lost",
	"device_revoked": input.device.state == "revoked",
}

ending_locks := {
	"user": "user_locked", "session": "session_locked", "device": "device_locked",
	"credential": "credential_locked",
}

revoke contains reason if some reason, true in over

revoke contains reason if {
	some target in input.locks
	reason := ending_locks[target]
}

# --- deny: not this -----------------------------------------------------------------------------

refused := {
	"client_inactive": input.resource.client_is_active != true,
	"email_unverified": input.user.email_verified != true,
	"not_authenticated": input.session.level < 1,
	"device_trusted_too_little": input.device.tier < input.resource.required_tier,
}

stopping_locks := {"client": "client_locked", "address": "address_locked"}

deny contains reason if some reason, true in refused

# Also what is locked of a kind that nobody thought of here.
deny contains reason if {
	some target in input.locks
	not ending_locks[target]
	reason := object.get(stopping_locks, target, "locked")
}

# A browser has this many seconds to bind a session that has just begun.
binding_grace := 120

deny contains "session_unbound" if {
	input.binding_is_required
	input.session.binding == ""
	input.session.age > binding_grace
}

# Whoever has nothing but a password cannot show that it was not stolen.
deny contains reason if {
	some reason in at_risk
	input.risk.provable_level < 2
}

# --- step_up: prove more, then ask again --------------------------------------------------------

step_up contains "role_requires_stronger_authentication" if {
	input.session.level < input.role_level
	input.trigger in {"login", "authorize", "token", "refresh", "admin"}
}

step_up contains "resource_requires_stronger_authentication" if {
	input.session.level < input.resource.required_level
}

step_up contains "authentication_too_old" if {
	input.resource.max_age >= 0
	input.session.authentication_age > input.resource.max_age
}

# In a browser the key of a bound session is shown every few minutes; otherwise somebody proves to be
# there.
max_proof_age := 900

step_up contains "binding_proof_too_old" if {
	input.session.binding != ""
	not is_within(input.session.proof_age, max_proof_age)
	input.session.authentication_age > max_proof_age
	input.trigger in {"request", "authorize", "admin"}
}

is_within(age, limit) if {
	age >= 0
	age <= limit
}

step_up contains reason if {
	some reason in at_risk
	input.risk.provable_level >= 2
}

# --- risk ---------------------------------------------------------------------------------------

high_risk := 3

# Two factors at least, and a passkey from whoever has one: a code can be passed on to an attacker.
risk_demands := max([2, min([3, input.risk.provable_level])])

at_risk contains "sign_in_at_risk" if {
	input.risk.level >= high_risk
	not answers_risk(input.risk.is_answered)
}

at_risk contains "account_at_risk" if {
	input.risk.user_level >= high_risk
	not answers_risk(input.risk.is_user_answered)
}

answers_risk(is_proven_since) if {
	is_proven_since == true
	input.session.level >= risk_demands
}

# --- restrict: without what is withheld ---------------------------------------------------------

withheld_roles contains name if {
	some name, tier in input.role_tiers
	input.device.tier < tier
}

withheld_scopes contains name if {
	some name, tier in input.resource.scope_tiers
	input.device.tier < tier
}

# --- the answer ---------------------------------------------------------------------------------

device_states := {"", "pending", "enrolled", "suspended", "lost", "revoked", "retired"}

# Each fact is there and of its kind. Few built-ins for all, since this runs at every use.
complete if {
	over
	refused
	is_number(sum([
		input.session.idle_remaining, input.session.absolute_remaining, input.session.level,
		input.session.authentication_age, input.session.proof_age, input.session.age,
		input.role_level, input.resource.required_level, input.resource.max_age,
		input.resource.required_tier, input.device.tier, input.risk.level,
		input.risk.user_level, input.risk.provable_level,
	]))
	input.binding_is_required in {true, false}
	input.device.state in device_states
	input.session.binding in {"", "dbsc", "webcrypto"}
	is_array(input.locks)
	is_object(input.role_tiers)
	is_object(input.resource.scope_tiers)
}

outcome := "revoke" if {
	count(revoke) > 0
} else := "deny" if {
	count(deny) > 0
} else := "step_up" if {
	count(step_up) > 0
} else := "restrict" if {
	count(withheld_roles) + count(withheld_scopes) > 0
} else := "allow"

restrict := {"device_trusted_too_little"} if {
	outcome == "restrict"
} else := set()

# What is proven because of a risk is proven now.
demands := {"level": risk_demands, "max_age": 0} if {
	count(at_risk) > 0
} else := {"level": 1, "max_age": max_proof_age} if {
	"binding_proof_too_old" in step_up
	input.resource.max_age < 0
} else := {"level": 1, "max_age": input.resource.max_age}

decision := {
	"outcome": outcome,
	"reasons": ((revoke | deny) | step_up) | restrict,
	"required_level": max([input.role_level, input.resource.required_level, demands.level]),
	"max_age": demands.max_age,
	"withheld_scopes": withheld_scopes,
	"withheld_roles": withheld_roles,
} if {
	complete
}
