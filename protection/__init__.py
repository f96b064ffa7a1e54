"""Data under keys: a keyring, envelopes, and model fields that are sealed at rest.

A key-encryption key (from a file or the environment) wraps one data key per organisation; data keys
seal values with AES-256-GCM, bound to their row. Public: `envelope.seal`, `envelope.unseal`,
`fields.SealedField`, `flows.rotate_data_key`, `flows.rewrap_data_keys`.
It cannot import audit: it sends `signals.key_changed` inside its transaction, and audit listens.
"""
