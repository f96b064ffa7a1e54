# The Todo scenario of the AuthZEN interop, with the data that its policy information point gives.
package sallyport.authzen

import rego.v1

users := {
	"CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {
		"id": "rick@the-citadel.com", "roles": {"admin", "evil_genius"},
	},
	"CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {
		"id": "morty@the-citadel.com", "roles": {"editor"},
	},
	"CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {
		"id": "summer@the-smiths.com", "roles": {"editor"},
	},
	"CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {
		"id": "beth@the-smiths.com", "roles": {"viewer"},
	},
	"CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {
		"id": "jerry@the-smiths.com", "roles": {"viewer"},
	},
}

decisions := [verdict(asked) | some asked in input.evaluations]

verdict(asked) := {"decision": true, "reasons": [], "context": {}} if {
	allowed(asked, users[asked.subject.id])
} else := {"decision": false, "reasons": ["not_of_the_scenario"], "context": {}}

# --- what the application asks ------------------------------------------------------------------

# Every administrator and evil genius is an editor, every editor a viewer.
is_editor(user) if count(user.roles & {"editor", "admin", "evil_genius"}) > 0

owns(asked, user) if asked.resource.properties.ownerID == user.id

allowed(asked, _) if asked.action.name in {"can_read_user", "can_read_todos"}

allowed(asked, user) if {
	asked.action.name == "can_create_todo"
	is_editor(user)
}

allowed(asked, user) if {
	asked.action.name in {"can_update_todo", "can_delete_todo"}
	is_editor(user)
	owns(asked, user)
}

allowed(asked, user) if {
	asked.action.name == "can_update_todo"
	"evil_genius" in user.roles
}

allowed(asked, user) if {
	asked.action.name == "can_delete_todo"
	"admin" in user.roles
}

# --- what an API gateway asks -------------------------------------------------------------------

routes := {
	["GET", "/users/{userId}"]: {"viewer", "editor", "admin", "evil_genius"},
	["GET", "/todos"]: {"viewer", "editor", "admin", "evil_genius"},
	["POST", "/todos"]: {"editor", "admin"},
	["PUT", "/todos/{todoId}"]: {"editor", "evil_genius"},
	["DELETE", "/todos/{todoId}"]: {"editor", "admin"},
}

allowed(asked, user) if {
	asked.resource.type == "route"
	some route, roles in routes
	route == [asked.action.name, asked.resource.id]
	count(user.roles & roles) > 0
}
