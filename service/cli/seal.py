"""`hansard seal` and `hansard keys seal`, and the seal that `hansard verify` is given."""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.cli.terminal import Say, reporting
from service.store.connections import Database
from service.store.migrations import check_migrated
from service.verify.faults import counted
from service.verify.seal import Seal, name_of, read_seal, signed, written
from service.verify.seal_files import refuse_existing, write_new
from service.verify.seal_keys import NAME, make, public_key, public_of
from service.verify.sealing import seal_log

STDOUT: Final = Path("-")


def make_keys(out: Path | None, data: Path, say: Say) -> int:
    private = out or data / NAME
    key = make(private)
    say(f"{private} is to seal with: keep it from whoever can change the database")
    say(f"{public_of(private)} is to check seals with: give it to whoever is to check them")
    say(f"The public key is {name_of(key)}")
    return 0


def seal(database: Database, key: Ed25519PrivateKey, out: Path | None, say: Say) -> int:
    if out is not None and out != STDOUT:
        refuse_existing(out)
    with database.connect("hansard seal") as connection, reporting() as report:
        check_migrated(connection)
        sealed = signed(seal_log(connection, report), key)
    if out == STDOUT:
        say(written(sealed))
        return 0
    out = out or Path(f"hansard-{sealed.sealed_at:%Y%m%dT%H%M%SZ}.seal.json")
    write_new(out, f"{written(sealed)}\n".encode())
    say(f"{counted(sealed.events, 'event')} sealed in {out}, with the key {sealed.public_key}")
    say("Keep the file where nobody who can change the database can change it too")
    return 0


def seal_to_compare(file: Path, public: Path | None, data: Path) -> Seal:
    """A forgery is told before the log has been read for it."""
    return read_seal(file, public_key(public, data))
