# Is this session still good, and good enough for what is asked?
#
# Each rule names a verdict and its reason. The strictest verdict wins: revoke, deny, step_up, allow.
# Without any objection the answer is allow; facts that are missing make the answer undefined, and
# undefined means deny.
package sallyport

import rego.v1

revoke contains "user_inactive" if not input.user.is_active

revoke contains "organisation_inactive" if not input.organisation_is_active

revoke contains "credentials_changed" if not input.user.stamp_matches

revoke contains "session_ended" if input.session.is_ended

revoke contains "session_idle" if input.session.idle_remaining <= 0

revoke contains "session_expired" if input.session.absolute_remaining <= 0

deny contains "client_inactive" if not input.resource.client_is_active

deny contains "email_unverified" if not input.user.email_verified

deny contains "not_authenticated" if input.session.level < 1

step_up contains "role_requires_stronger_authentication" if {
	input.trigger in {"login", "authorize", "token", "refresh", "admin"}
	input.session.level < input.role_level
}

step_up contains "resource_requires_stronger_authentication" if {
	input.session.level < input.resource.required_level
}

step_up contains "authentication_too_old" if {
	input.resource.max_age >= 0
	input.session.authentication_age > input.resource.max_age
}

# Each fact is there and of its kind. Two built-ins for all, since this runs at every use.
complete if {
	flags := {
		input.organisation_is_active, input.user.is_active, input.user.stamp_matches,
		input.user.email_verified, input.session.is_ended, input.resource.client_is_active,
	}
	flags - {true, false} == set()
	is_number(sum([
		input.session.idle_remaining, input.session.absolute_remaining, input.session.level,
		input.session.authentication_age, input.role_level, input.resource.required_level,
		input.resource.max_age,
	]))
}

outcome := "revoke" if {
	complete
	count(revoke) > 0
} else := "deny" if {
	complete
	count(deny) > 0
} else := "step_up" if {
	complete
	count(step_up) > 0
} else := "allow" if complete

decision := {
	"outcome": outcome,
	"reasons": (revoke | deny) | step_up,
	"required_level": max([input.role_level, input.resource.required_level, 1]),
	"max_age": input.resource.max_age,
}
