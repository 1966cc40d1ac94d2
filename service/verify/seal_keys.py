"""The key pair of seals, in two files: a private key for whoever seals, a public one for whoever checks."""

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from domain.errors import Refusal
from service.verify.seal_files import read, refuse_existing, write_new

NAME: Final = "seal.key"
"""In the data folder, where no other file is named."""
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)


class NoPrivateKey(Refusal):
    """There is no key at {file} to seal with: `hansard keys seal` makes one, --key names another."""


class NoPublicKey(Refusal):
    """A seal proves nothing unless it is known whose it is, and there is no key at {file}: name the public
    key that `hansard keys seal` made, with --public-key."""


class NotASealKey(Refusal):
    """{file} holds no {kind} Ed25519 key in PEM, without a password."""


def public_of(private: Path) -> Path:
    return private.with_name(f"{private.name}.pub")


def make(private: Path) -> Ed25519PublicKey:
    """Two new files; the private one is for its owner's eyes alone."""
    public = public_of(private)
    refuse_existing(private, public)
    key = Ed25519PrivateKey.generate()
    write_new(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key.public_key()


def private_key(named: Path | None, data: Path) -> Ed25519PrivateKey:
    file = named or data / NAME
    if not file.exists():
        raise NoPrivateKey(file=file)
    try:
        key = load_pem_private_key(read(file), password=None)
    except UNREADABLE:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotASealKey(file=file, kind="private")
    return key


def public_key(named: Path | None, data: Path) -> Ed25519PublicKey:
    file = named or public_of(data / NAME)
    if not file.exists():
        raise NoPublicKey(file=file)
    try:
        key = load_pem_public_key(read(file))
    except UNREADABLE:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise NotASealKey(file=file, kind="public")
    return key
