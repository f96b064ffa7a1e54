# The Search scenario of the AuthZEN interop: roles, departments (groups) and records are ours.
package sallyport.authzen

import rego.v1

decisions := [verdict(asked) | some asked in input.evaluations]

verdict(asked) := {"decision": true, "reasons": [], "context": {}} if {
	user := input.subjects.user[asked.subject.id]
	record := input.resources.record[asked.resource.id]
	asked.subject.type == "user"
	asked.resource.type == "record"
	allowed(asked.action.name, asked.subject.id, user, record.properties)
} else := {"decision": false, "reasons": ["not_of_the_scenario"], "context": {}}

# Whoever owns a record views, edits and deletes it.
allowed(action, name, _, record) if {
	action in {"view", "edit", "delete"}
	record.owner == name
}

# Everybody views the records of their department, managers view all and edit those.
allowed("view", _, user, record) if lower(record.department) in user.groups

allowed("view", _, user, _) if "manager" in user.roles

allowed("edit", _, user, record) if {
	"manager" in user.roles
	lower(record.department) in user.groups
}
