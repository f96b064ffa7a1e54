"""What is enough: facts in, decision out.

`engine.decide(facts)` asks the Rego bundle in `policies/` and answers a `Decision`. Fails closed:
a missing fact, an undefined result or an error is a reason to deny, never to allow.
What decides knows no Django: values only; versions of the rules (`models`, `flows`,
`versions`) are handed to it by wiring. Who collects facts and applies decisions lives above.
"""
