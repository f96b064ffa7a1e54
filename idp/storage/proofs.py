"""Proofs of possession that were spent."""

from core.clock import SQL_NOW as NOW

# RFC 9449 §11.1: whoever writes the row may use the proof.
SPEND_PROOF = f"""
INSERT INTO idp_spentproof (digest, expires_at)
VALUES (%(proof)s, {NOW} + interval '2 minutes')
ON CONFLICT (digest) DO NOTHING RETURNING digest
"""
