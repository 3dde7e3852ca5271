import hashlib, hmac, struct
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # Debian: python3-cryptography
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PATTERNS = {'publish': b'\1', 'push': b'\2', 'request': b'\3', 'reply': b'\4'}


def pae(domain, pieces):
    text = struct.pack('>I', len(domain)) + domain + struct.pack('>I', len(pieces))
    return text + b''.join(struct.pack('>I', len(piece)) + piece for piece in pieces)


def split_signature(block):  # the bytes that are signed, and the signature block or None
    at = 1
    while at < len(block):
        start, number, at = at, block[at], at + 1
        if number == 0:  # a name of one's own
            at += 1 + block[at]
        length = struct.unpack_from('>H', block, at)[0] & 0x7fff
        at += 2 + length
        if number == 12:
            return block[:start], block[at - length:at]
    return block, None


def signed_text(alg, kid, created, nonce, bus, pattern, topic, headers, bind, payload):
    return pae(b'msgbus-sig-v1', [bytes([alg]), kid, struct.pack('>Q', created), nonce, bus, PATTERNS[pattern],
                                  topic, headers, bind, payload])


def verify(keys, bus, pattern, topic, block, payload, bind=b''):
    """Raises unless it is authentic; the age and the replay window are the caller's matter. keys: by kid, bytes for HMAC or an Ed25519PublicKey."""
    headers, signature = split_signature(block)
    if signature is None or signature[0] != 1:
        raise ValueError('no signature')
    alg, end = signature[1], 3 + signature[2]
    kid, created = signature[3:end], struct.unpack_from('>Q', signature, end)[0]
    nonce, mac, key = signature[end + 8:end + 24], signature[end + 24:], keys[kid]
    text = signed_text(alg, kid, created, nonce, bus, pattern, topic, headers, bind, payload)
    if isinstance(key, bytes) != (alg == 1):  # the key knows its algorithm, the message does not
        raise ValueError('another algorithm than that of the key')
    if alg == 2:
        key.verify(mac, text)
    elif not hmac.compare_digest(mac, hmac.new(key, text, hashlib.sha256).digest()):
        raise ValueError('a wrong signature')


def sign(alg, kid, key, created, nonce, bus, pattern, topic, headers, payload, bind=b''):
    """The value of the header signature. key: bytes for HMAC (alg 1), an Ed25519PrivateKey (alg 2)."""
    text = signed_text(alg, kid, created, nonce, bus, pattern, topic, headers, bind, payload)
    mac = key.sign(text) if alg == 2 else hmac.new(key, text, hashlib.sha256).digest()
    return bytes([1, alg, len(kid)]) + kid + struct.pack('>Q', created) + nonce + mac


def session(root, kid, salt):
    okm = HKDF(SHA256(), 64, salt, b'msgbus-enc-v1\0aes-256-gcm\0' + kid).derive(root)
    return AESGCM(okm[:32]), okm[32:]


def associated(kid, salt, bus, pattern, topic, headers, sender):
    return pae(b'msgbus-enc-v1', [b'\1', kid, salt, bus, PATTERNS[pattern], topic, headers, sender])


def unseal(roots, bus, pattern, topic, headers, sender, payload):
    """The plain payload; raises unless it is authentic. headers: the block before the signature."""
    if payload[:2] != b'\1\1':
        raise ValueError('not sealed')
    at = 3 + payload[2]
    kid, salt, commitment, counter = payload[3:at], payload[at:at + 16], payload[at + 16:at + 48], payload[at + 48:at + 56]
    cipher, expected = session(roots[kid], kid, salt)
    if not hmac.compare_digest(commitment, expected):
        raise ValueError('another key')
    return cipher.decrypt(bytes(4) + counter, payload[at + 56:], associated(kid, salt, bus, pattern, topic, headers, sender))


def seal(kid, root, salt, counter, bus, pattern, topic, headers, sender, payload):
    cipher, commitment = session(root, kid, salt)
    number = struct.pack('>Q', counter)
    aad = associated(kid, salt, bus, pattern, topic, headers, sender)
    return b'\1\1' + bytes([len(kid)]) + kid + salt + commitment + number + cipher.encrypt(bytes(4) + number, payload, aad)
