package sallyport.forward_auth_test

import data.sallyport.forward_auth
import rego.v1

asked := {
	"client": "app_wiki",
	"request": {"method": "GET", "origin": "https://wiki.acme.example", "path": "/admin/users"},
	"rules": [],
	"roles": ["reader"],
	"permissions": {"reader": {"page": ["read"]}, "keeper": {"*": ["*"]}},
	"session": {"level": 2, "tier": 0, "network_has_changed": false},
}

rule(roles, permission) := {"prefix": "/admin", "roles": roles, "permission": permission}

allowed := {"allow": true, "reasons": set()}

test_without_rules_who_is_signed_in_may if {
	forward_auth.answer == allowed with input as asked
}

test_one_of_the_roles_is_enough if {
	forward_auth.answer == allowed with input as object.union(asked, {"rules": [rule(["keeper", "reader"], {})]})
}

test_none_of_the_roles_is_not if {
	forward_auth.answer == {"allow": false, "reasons": {"role_missing"}} with input as object.union(
		asked,
		{"rules": [rule(["keeper"], {})]},
	)
}

test_every_rule_has_to_be_met if {
	forward_auth.answer.allow == false with input as object.union(
		asked,
		{"rules": [rule(["reader"], {}), rule(["keeper"], {})]},
	)
}

test_a_permission_is_by_a_live_role if {
	reading := rule([], {"type": "page", "action": "read"})
	writing := rule([], {"type": "page", "action": "write"})
	forward_auth.answer == allowed with input as object.union(asked, {"rules": [reading]})
	forward_auth.answer == {"allow": false, "reasons": {"permission_missing"}} with input as object.union(
		asked,
		{"rules": [writing]},
	)
	forward_auth.answer == allowed with input as object.union(asked, {"rules": [writing], "roles": ["keeper"]})
}

orders := {"type": "database", "id": "orders"}

limited := {"role": "keeper", "level": 2, "tier": 0, "type": "database", "id": "orders"}

test_a_limited_role_counts_where_the_rule_names_its_resource if {
	named := object.union(rule(["keeper"], {"type": "database", "action": "read"}), {"resource": orders})
	forward_auth.answer == allowed with input as object.union(asked, {"rules": [named], "limited": [limited]})
}

test_and_nowhere_else if {
	every resource in [{}, {"type": "database", "id": "sales"}, {"type": "table", "id": "orders"}] {
		named := object.union(rule(["keeper"], {}), {"resource": resource})
		forward_auth.answer.allow == false with input as object.union(
			asked,
			{"rules": [named], "limited": [limited]},
		)
	}
	forward_auth.answer.allow == false with input as object.union(
		asked,
		{"rules": [rule(["keeper"], {})], "limited": [limited]},
	)
}

test_nor_in_another_rule_of_the_same_path if {
	named := object.union(rule(["keeper"], {}), {"resource": orders})
	forward_auth.answer == {"allow": false, "reasons": {"role_missing"}} with input as object.union(
		asked,
		{"rules": [named, rule(["keeper"], {})], "limited": [limited]},
	)
}

test_it_asks_for_its_level_and_its_device if {
	named := object.union(rule(["keeper"], {}), {"resource": orders})
	every demand in [{"level": 3}, {"tier": 1}] {
		forward_auth.answer.allow == false with input as object.union(
			asked,
			{"rules": [named], "limited": [object.union(limited, demand)]},
		)
	}
}

test_a_missing_fact_is_no_answer if {
	not forward_auth.answer with input as object.remove(asked, ["roles"])
	not forward_auth.answer with input as object.remove(asked, ["rules"])
	not forward_auth.answer with input as object.remove(asked, ["permissions"])
	not forward_auth.answer with input as object.remove(asked, ["session"])
	not forward_auth.answer with input as object.union(asked, {"rules": [{"prefix": "/"}]})
}
