"""Keys, sealing and signatures: what makes a record provable and a subject erasable.

In: secrets from a folder, values to seal, statements to sign. Out: keys, sealed payloads, signatures. This folder never
touches a database, and decides nothing.
"""

from tutti.security import enrolment, oidc, passwords, tokens
from tutti.security.approvals import sign_approval, statement, verify_approval
from tutti.security.dpop import check_dpop, make_dpop, proof_key
from tutti.security.egress import ANSWER_BYTES, CONNECTING, Connecting, Egress, read_capped
from tutti.security.egress_clients import connector, transport
from tutti.security.keys import Keys, SigningKey, verify
from tutti.security.links import Links
from tutti.security.sealing import Payload, canonical, digest, open_body, seal
from tutti.security.secrets import Secrets
from tutti.security.throttle import Throttle
from tutti.security.tls import certified

__all__ = [
    "ANSWER_BYTES", "CONNECTING", "Connecting", "Egress", "Keys", "Links", "Payload", "Secrets", "SigningKey", "Throttle", "canonical", "certified", "check_dpop", "connector", "digest", "enrolment", "make_dpop", "oidc", "open_body", "passwords", "proof_key", "read_capped",
    "seal", "sign_approval", "statement", "tokens", "transport", "verify", "verify_approval",
]  # fmt: skip
