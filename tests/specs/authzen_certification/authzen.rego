# The policy of the AuthZEN certification scenario (section 1.4): editors write what is active, the
# archive is the administrators', and both may read.
package sallyport.authzen

import rego.v1

decisions := [verdict(asked) | some asked in input.evaluations]

verdict(asked) := {"decision": true, "reasons": [], "context": {}} if {
	allowed(asked)
} else := {"decision": false, "reasons": ["not_of_the_scenario"], "context": {}}

roles(asked) := {role | some role in input.subjects[asked.subject.type][asked.subject.id].roles} |
	{role | role := asked.subject.properties.role}

status(asked) := status if {
	status := asked.resource.properties.status
} else := status if {
	status := input.resources[asked.resource.type][asked.resource.id].properties.status
}

allowed(asked) if {
	asked.action.name == "read"
	asked.resource.type == "record"
	count(roles(asked) & {"editor", "admin"}) > 0
}

allowed(asked) if {
	asked.action.name == "write"
	role_for := {"active": "editor", "archived": "admin"}
	role_for[status(asked)] in roles(asked)
}

allowed(asked) if {
	asked.action.name == "delete"
	asked.action.properties.soft == true
	"editor" in roles(asked)
}
