"""Certificates of the listener for subscribers: an authority of this folder's own, and the server's, signed by it.

The embedded broker makes them once in its data folder; `cakupan subscriber certificates` makes them for production,
where there is no better authority. Everything is PEM, which the broker and every client read.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cakupan.embedded.errors import StackError

LOOPBACK_HOSTS = ("localhost", "127.0.0.1")
AUTHORITY_LASTS = dt.timedelta(days=3650)
SERVER_LASTS = dt.timedelta(days=825)
RENEWED_BEFORE = dt.timedelta(days=30)
# Clocks of other machines may be behind ours.
CLOCK_SLACK = dt.timedelta(days=1)

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Certificates:
    """Where they are. `authority`: what clients trust, no secret. `server`: the broker's key store, a secret."""

    authority: Path
    server: Path


def provide(folder: Path, hosts: Sequence[str] = LOOPBACK_HOSTS) -> Certificates:
    """Certificates for a server that is reached under `hosts` (names and addresses), made in `folder` if absent.

    The server's is made anew where it is about to expire or names other hosts; the authority stays, so clients need
    nothing new. Raises StackError where the folder can't be used.
    """
    made = Certificates(folder / "ca.pem", folder / "server.pem")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority, key = _authority(folder)
        if not _holds(made.server, authority, hosts):
            _write(made.server, _server(authority, key, hosts), secret=True)
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise StackError(
            f"The certificates in {folder} can't be used: {reason or 'they are damaged'}.",
            "Give this user the rights to that folder, or remove it; subscribers then need the new ca.pem.",
        ) from error
    return made


def _authority(folder: Path) -> tuple[x509.Certificate, PrivateKey]:
    certificate_file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if not certificate_file.exists():
        certificate, key = _new_authority()
        _write(key_file, _key_text(key), secret=True)
        _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), secret=False)
    key_read = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key_read, PrivateKey):
        raise ValueError("not a key of ours")
    return x509.load_pem_x509_certificate(certificate_file.read_bytes()), key_read


def _new_authority() -> tuple[x509.Certificate, PrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Cakupan, authority of one installation")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, name, key, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _server(authority: x509.Certificate, authority_key: PrivateKey, hosts: Sequence[str]) -> bytes:
    """A new key, its certificate and the authority's, one after the other."""
    key = ec.generate_private_key(ec.SECP256R1())
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(_name("Cakupan, Apache Kafka"), authority.subject, key, SERVER_LASTS)
        .add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(signed_by, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (certificate, authority))
    return _key_text(key) + chain


def _holds(path: Path, authority: x509.Certificate, hosts: Sequence[str]) -> bool:
    """Whether the server's certificate is of this authority, for these hosts, and lasts."""
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) > RENEWED_BEFORE
    return lasts and certificate.issuer == authority.subject and set(named) == {_host(each) for each in hosts}


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, lasts: dt.timedelta) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + lasts)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_text(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    """As a whole or not at all; a secret is never readable by others, not for a moment."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
        file.write(content)
    new.replace(path)
