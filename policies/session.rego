# Is this session still good, and good enough for what is asked?
#
# Whatever speaks against it is a reason, and each reason has its verdict. The strictest verdict wins:
# revoke, deny, step_up, restrict, allow. Without any reason the answer is allow; facts that are missing
# make the answer undefined, and undefined means deny. A reason without a verdict denies.
#
# This runs at every use, and each rule costs something even where it finds nothing. So most of what can
# be wrong is looked at only where there is a sign of it.
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

plain := {
	"user_inactive": input.user.is_active != true,
	"organisation_inactive": input.organisation_is_active != true,
	"credentials_changed": input.user.stamp_matches != true,
	"session_ended": input.session.is_ended != false,
	"session_idle": input.session.idle_remaining <= 0,
	"session_expired": input.session.absolute_remaining <= 0,
	"device_lost": input.device.state == "lost",
	"device_revoked": input.device.state == "revoked",
	"client_inactive": input.resource.client_is_active != true,
	"email_unverified": input.user.email_verified != true,
	"not_authenticated": input.session.level < 1,
	"device_trusted_too_little": input.device.tier < input.resource.required_tier,
	"resource_requires_stronger_authentication":
		input.session.level < input.resource.required_level,
}

reasons contains reason if {
	true in plain
	some reason, true in plain
}

# --- what there is a sign of --------------------------------------------------------------------

# Each rule for `suspicions` rests on one of these signs. Without any of them none is looked at, so a rule
# that needs another sign has to name it here. (A limit stands as a number: a name would be one more rule.)
signs := {
	"locks": input.locks != [],
	"roles_demand_more": input.session.level < input.role_level,
	"age_is_limited": input.resource.max_age >= 0,
	"must_be_bound": input.binding_is_required,
	"is_bound": input.session.binding != "",
	"sign_in_at_risk": input.risk.level >= 3,
	"account_at_risk": input.risk.user_level >= 3,
	"roles_have_tiers": input.role_tiers != {},
	"scopes_have_tiers": input.resource.scope_tiers != {},
}

reasons contains reason if {
	true in signs
	some reason in suspicions
}

# --- locks --------------------------------------------------------------------------------------

# What a session is made of ends it; for any other kind it is only stopped, as "client_locked",
# "address_locked" and whatever else there may be have no verdict above.
suspicions contains concat("_", [target, "locked"]) if {
	some target in input.locks
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

# Each fact is there and of its kind. Few built-ins for all, since this runs at every use.
complete if {
	plain
	signs
	is_number(sum([
		input.session.idle_remaining, input.session.absolute_remaining, input.session.level,
		input.session.authentication_age, input.session.proof_age, input.session.age,
		input.role_level, input.resource.required_level, input.resource.max_age,
		input.resource.required_tier, input.device.tier, input.risk.level,
		input.risk.user_level, input.risk.provable_level,
	]))
	input.binding_is_required in {true, false}
	input.device.state in {"", "pending", "enrolled", "suspended", "lost", "revoked", "retired"}
	input.session.binding in {"", "dbsc", "webcrypto"}
	is_array(input.locks)
	is_object(input.role_tiers)
	is_object(input.resource.scope_tiers)
}

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
	"required_level": max([input.role_level, input.resource.required_level, 1]),
	"max_age": input.resource.max_age,
	"withheld_scopes": set(),
	"withheld_roles": set(),
} if {
	complete
	reasons == set()
} else := {
	"outcome": outcome,
	"reasons": reasons,
	"required_level": max([input.role_level, input.resource.required_level, demands.level]),
	"max_age": demands.max_age,
	"withheld_scopes": withheld_scopes,
	"withheld_roles": withheld_roles,
} if {
	complete
}
