# May this person ask for access, answer somebody who does, or begin what was approved?
#
# Each action has its checks, and all of them must pass. Facts that are missing make the answer
# undefined, and undefined means no. `final` says that a failed activation will not succeed later
# either; `step_up` that nothing is missing but a stronger or a fresher sign-in.
package sallyport.access

import rego.v1

# --- the checks, by their names -----------------------------------------------------------------

# Of the person that it is for.
person := {
	"entitlement_active": input.entitlement.is_active == true,
	"requester_active": input.requester.is_active == true,
	"requester_unlocked": input.requester.is_locked == false,
	"eligible": input.requester.eligible_for > 0,
}

# Of the session that acts, whoever's it is.
session := {
	"session_allowed": input.session.is_allowed == true,
	"strong_enough": input.session.level >= demanded_level,
	"fresh_enough": is_within(input.session.authentication_age, input.entitlement.max_age),
}

# Of where it will be used.
place := {
	"device_trusted": input.session.tier >= input.entitlement.required_tier,
	"network_known": either(input.entitlement.binds_network == false, input.session.has_address == true),
	"condition_holds": input.entitlement.condition_holds == true,
}

# Of what is asked for.
request := {
	"duration_within": is_between(input.request.duration, 1, input.entitlement.max_duration),
	"start_ahead": is_between(input.request.starts_in, 0, input.entitlement.start_horizon),
	"reason_given": either(input.entitlement.reason_required == false, input.request.has_reason == true),
	"ticket_good": input.request.ticket in {"none", "good"},
	"nothing_open": input.request.has_open == false,
}

# An emergency asks nobody, but it is never without a reason, and the last one has been looked at.
emergency := {
	"break_glass_allowed": input.entitlement.break_glass_duration > 0,
	"duration_within": is_between(input.request.duration, 1, input.entitlement.break_glass_duration),
	"reason_given": input.request.has_reason == true,
	"break_glass_reviewed": input.request.unreviewed == 0,
}

# Of what was approved.
beginning := {
	"terms_hold": input.request.terms_hold == true,
	"start_reached": input.request.starts_in <= 0,
	"in_time": input.request.remaining > 0,
	"ticket_good": input.request.ticket in {"none", "good"},
	"approvals_hold": input.approvals.hold == true,
	"approvers_are_others": input.approvals.are_of_others == true,
}

# Of whoever answers: never the requester, nor anybody who is or acts for the requester, nor who
# wrote the policy that it is asked to publish.
approver := {
	"approver_named": input.answer.is_approver == true,
	"approver_is_another": input.answer.is_own == false,
	"approver_is_another_person": input.answer.is_same_person == false,
	"approver_acts_for_nobody": input.answer.acts_for_requester == false,
	"approver_has_not_written": input.answer.has_written == false,
	"answered_once": input.answer.has_answered == false,
	"approver_reason_given": either(
		input.entitlement.approver_reason_required == false,
		input.answer.has_reason == true,
	),
	"in_time": input.request.remaining > 0,
	"stage_in_time": input.request.stage_remaining > 0,
}

# Of what is approved: a denial needs none of it.
approved := {
	"terms_hold": input.request.terms_hold == true,
	"ticket_good": input.request.ticket in {"none", "good"},
}

checks_of := {
	"request": [person, session, place, request],
	"extend": [person, session, place, request, {"extends_live": input.request.extends_live == true}],
	"activate": [person, session, place, beginning],
	"break_glass": [person, session, place, emergency],
	"approve": [person, session, approver, approved],
	"deny": [session, approver],
}

# --- what they ask for --------------------------------------------------------------------------

# Whoever answers for somebody else has shown two factors.
approver_level := 2

demanded_level := max([approver_level, input.entitlement.required_level]) if {
	input.action in {"approve", "deny"}
} else := input.entitlement.required_level

# Of two facts that are both there: within the braces of a set one that is missing would be passed over.
either(one, other) := true in {one, other}

is_between(value, least, most) := true in {value >= least} & {value <= most}

# A limit below zero is none.
is_within(age, limit) := true in {limit < 0, age <= limit}

# --- the answer ---------------------------------------------------------------------------------

checks := object.union_n(checks_of[input.action])

failed contains name if some name, false in checks

# Whatever else fails may pass later: a device gets well, a lock is lifted, a service answers again.
finals := {
	"entitlement_active", "requester_active", "eligible", "terms_hold", "in_time", "approvals_hold",
	"approvers_are_others",
}

default only_strength_failed := false

only_strength_failed if {
	failed != set()
	failed - {"strong_enough", "fresh_enough"} == set()
}

# Each number and each word is there and of its kind; what is true or false is compared above.
complete if {
	is_number(sum([
		input.requester.eligible_for, input.entitlement.max_age, input.entitlement.max_duration,
		input.entitlement.start_horizon, input.entitlement.required_level,
		input.entitlement.required_tier, input.entitlement.break_glass_duration,
		input.session.level, input.session.authentication_age, input.session.tier,
		input.request.duration, input.request.starts_in, input.request.remaining,
		input.request.stage_remaining, input.request.unreviewed,
	]))
	is_string(input.request.ticket)
	every _, passed in checks {
		is_boolean(passed)
	}
}

answer := {
	"allowed": failed == set(),
	"checks": checks,
	"final": failed & finals != set(),
	"step_up": only_strength_failed,
	"demanded_level": demanded_level,
} if {
	complete
}
