"""Computes vault_vectors.json: what the vault must give for known inputs, from another implementation of
AES-GCM, HKDF and HMAC (pip install cryptography). Run it to see that the stored file is right:

    python3 vault_vectors.py | diff - vault_vectors.json
"""

import hashlib
import hmac
import json
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def fields(*parts):
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def derive(root, context, label):
    return HKDF(SHA256(), 32, salt=context, info=label.encode()).derive(root)


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def number(n):
    return n.to_bytes(4, "big")


master = bytes(range(32))
data_key = bytes(range(100, 132))
tenant = "công-ty-một"
data_key_id = uuid.UUID("01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21")
data_key_version = 3
key_id = uuid.UUID("01932c07-6f2a-7c40-8a3e-000000000001")
secret_version = 258
secret = "sk-bí-mật-0123456789-9f3a"
nonce = bytes(range(200, 212))
server = "ai33"

context = fields(
    b"kingcong/v1/data-key", data_key_id.bytes, b"tenant", tenant.encode(), number(data_key_version)
)
wrap_nonce = mac(derive(master, context, "kingcong/v1/wrap-nonce"), data_key)[:12]
wrapped = b"\x01" + wrap_nonce + AESGCM(derive(master, context, "kingcong/v1/wrap")).encrypt(
    wrap_nonce, data_key, context
)

salt = fields(key_id.bytes, number(secret_version))
associated = fields(
    b"kingcong/v1/envelope",
    b"\x01",
    b"\x01",
    tenant.encode(),
    key_id.bytes,
    number(secret_version),
    data_key_id.bytes,
    number(data_key_version),
    b"upstream-key",
)
envelope = (
    b"KCv1\x01\x01"
    + number(data_key_version)
    + derive(data_key, salt, "kingcong/v1/commit")
    + nonce
    + AESGCM(derive(data_key, salt, "kingcong/v1/seal")).encrypt(nonce, secret.encode(), associated)
)


def fingerprint(scope, of_tenant):
    return mac(
        data_key,
        fields(b"kingcong/v1/fingerprint", server.encode(), scope, of_tenant.encode(), secret.encode()),
    )


print(
    json.dumps(
        {
            "master": master.hex(),
            "master_id": "local-" + derive(master, b"", "kingcong/v1/master-key-id")[:8].hex(),
            "data_key": data_key.hex(),
            "data_key_id": str(data_key_id),
            "data_key_version": data_key_version,
            "wrapped": wrapped.hex(),
            "tenant": tenant,
            "key_id": str(key_id),
            "secret_version": secret_version,
            "secret": secret,
            "nonce": nonce.hex(),
            "envelope": envelope.hex(),
            "server": server,
            "fingerprint_in_tenant": fingerprint(b"tenant", tenant).hex(),
            "fingerprint_among_everyone": fingerprint(b"everyone", "").hex(),
        },
        indent=2,
        ensure_ascii=False,
    )
)
