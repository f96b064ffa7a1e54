"""By which algorithms clients sign (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).

Ed25519 has two names: its own, and EdDSA, which is what most libraries said before RFC 9864. Both
mean the same signature here, by a key on the curve Ed25519 and no other.
"""

import warnings
from typing import Any

from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey

ED25519 = ("Ed25519", "EdDSA")
ALGORITHMS = ("ES256", "PS256", "RS256", *ED25519)
FAPI2_ALGORITHMS = ("ES256", "PS256", *ED25519)  # FAPI 2.0 Security Profile §5.4.1
# What a key must be to make a signature by this algorithm: its type and its curve.
KEY_TYPES = {
    "ES256": ("EC", "P-256"),
    "PS256": ("RSA", ""),
    "RS256": ("RSA", ""),
    "Ed25519": ("OKP", "Ed25519"),
    "EdDSA": ("OKP", "Ed25519"),
}

# The old name is accepted on purpose, by its curve.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)


def fits(key: Any, alg: str) -> bool:
    """Whether a signature by this algorithm may be this key's."""
    kty, curve = KEY_TYPES[alg]
    found = key.curve_name if isinstance(key, ECKey | OKPKey) else ""
    return bool(key.key_type == kty and found == curve)
