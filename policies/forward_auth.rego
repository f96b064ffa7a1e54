# May this request reach the application behind the proxy? Asked when the session is good (session.rego).
#
# input.rules holds every rule whose prefix the path is under: each has to be met, by one of its roles and
# by a role with its permission. input.roles are those that live in this session now, without what is
# withheld; input.limited those that live for one resource alone, which count in rules that name it and in
# no others; input.permissions what the roles of the organisation allow, by role and type. Whatever speaks
# against it is a reason; with any, or with facts missing, the answer is no.
package sallyport.forward_auth

import rego.v1

reasons contains "role_missing" if {
	some rule in input.rules
	rule.roles != []
	not holds_any(rule)
}

reasons contains "permission_missing" if {
	some rule in input.rules
	rule.permission != {}
	not may(rule)
}

holds_any(rule) if {
	some role in rule.roles
	role in roles_for(rule)
}

may(rule) if {
	some role in roles_for(rule)
	some type in [rule.permission.type, "*"]
	some action in [rule.permission.action, "*"]
	action in object.get(object.get(input.permissions, role, {}), type, [])
}

roles_for(rule) := array.concat(input.roles, [limited.role |
	some limited in object.get(input, "limited", [])
	limited.type == rule.resource.type
	limited.id == rule.resource.id
	limited.level <= input.session.level
	limited.tier <= input.session.tier
])

complete if {
	is_array(input.rules)
	is_array(input.roles)
	is_object(input.permissions)
	is_string(input.request.path)
	is_number(input.session.level)
	every rule in input.rules {
		is_array(rule.roles)
		is_object(rule.permission)
	}
}

answer := {"allow": true, "reasons": set()} if {
	complete
	reasons == set()
} else := {"allow": false, "reasons": reasons} if {
	complete
}
