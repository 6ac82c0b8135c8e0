"""AES-GCM sealing under a keyring: the first key seals, all of them open."""

import os
from base64 import b64decode
from binascii import Error as NotBase64
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paceline.domain.errors import Invalid
from paceline.ports.seal import Sealed

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = (16, 24, 32)


class KeyringSeal:
    """A sealed value is: version, length of the key's id, the id, the nonce, the ciphertext with its tag."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """Ordered: the first seals. Bytes never leave this object; its repr names the ids alone."""
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._newest = next(iter(keys))

    @classmethod
    def from_text(cls, keyring: str) -> "KeyringSeal":
        """Reads `id:base64,base64,…`; without an id a key is named by its hash. Never quotes a broken one."""
        keys: dict[str, bytes] = {}
        for number, part in enumerate(keyring.split(","), start=1):
            name, _, encoded = part.strip().rpartition(":")
            name = name or blake2b(encoded.encode(), digest_size=4).hexdigest()
            if not 0 < len(name.encode()) < 256 or name in keys:
                raise Invalid("keyring", f"key {number} needs an id of its own before a colon")
            keys[name] = _decoded(number, encoded)
        return cls(keys)

    def seal(self, secret: bytes, context: str) -> Sealed:
        name = self._newest.encode()
        header = _VERSION + bytes([len(name)]) + name
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self._newest]
        return Sealed(header + nonce + cipher.encrypt(nonce, secret, header + context.encode()))

    def unseal(self, sealed: Sealed, context: str) -> bytes:
        name, header, rest = _split(sealed)
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise Invalid("sealed", f"its key {name!r} is not in the keyring")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + context.encode())
        except (InvalidTag, ValueError) as error:
            raise Invalid("sealed", "was altered, or belongs somewhere else") from error

    def stale(self, sealed: Sealed) -> bool:
        return self.key_of(sealed) != self._newest

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._ciphers)

    def key_of(self, sealed: Sealed) -> str:
        return _split(sealed)[0]

    def __repr__(self) -> str:
        return f"KeyringSeal({', '.join(self._ciphers)})"


def _decoded(number: int, encoded: str) -> bytes:
    """Of either alphabet, with or without its padding: as settings take it."""
    text = encoded.replace("-", "+").replace("_", "/")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (NotBase64, ValueError):
        raise Invalid("keyring", f"key {number} is not base64") from None
    if len(key) not in _KEY_BYTES:
        raise Invalid("keyring", f"key {number} must have 16, 24 or 32 bytes")
    return key


def _split(sealed: Sealed) -> tuple[str, bytes, bytes]:
    end = 2 + sealed[1] if len(sealed) > 1 else 0
    if sealed[:1] != _VERSION or len(sealed) < end + _NONCE_BYTES:
        raise Invalid("sealed", "is not a sealed value")
    try:
        return sealed[2:end].decode(), bytes(sealed[:end]), bytes(sealed[end:])
    except UnicodeDecodeError as error:
        raise Invalid("sealed", "is not a sealed value") from error
