"""A certificate authority of the centre's own, and the SuperLink's certificate signed by it.

For hospitals without an authority of their own. Sites trust this one for the SuperLink alone, so it need not be known
to anybody else; `ca.pem` goes to them once.
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from central_server.federation.flower.errors import CertificatesExist
from shared.errors import SettingsError

AUTHORITY, AUTHORITY_KEY, SERVER, SERVER_KEY = "ca.pem", "ca_key.pem", "server.pem", "server_key.pem"
_BEFORE = timedelta(hours=1)  # a site's clock may be behind


def make_certificates(folder: Path, host: str, days: int, now: datetime | None = None) -> Path:
    """Make the authority, unless the folder holds one, and a certificate of the SuperLink signed by it.

    Args:
        folder: for all files; keys are readable by their owner only.
        host: the name or address that sites dial.
        days: how long the certificate is good; the authority lives ten times as long.

    Returns:
        The file of the authority's certificate, for the sites.

    Raises:
        CertificatesExist: the folder holds a certificate of the SuperLink already.
    """
    moment = now or datetime.now(UTC)
    if (folder / SERVER).exists() or (folder / SERVER_KEY).exists():
        raise CertificatesExist(f"{SERVER} or {SERVER_KEY} is there already; move them away to make new ones.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, authority_key = _authority(folder, moment, 10 * days)
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = (
        _begun(host, authority.subject, key.public_key(), moment, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA384())
    )
    _write_key(folder / SERVER_KEY, key)
    (folder / SERVER).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / AUTHORITY


def name_in(certificate: Path) -> str:
    """A name that the certificate in this PEM file is good for.

    Raises:
        SettingsError: it is no certificate, or names nobody.
    """
    try:
        told = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = told.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise SettingsError("The SuperLink's certificate cannot be read, or names no host.") from None
    hosts = names.get_values_for_type(x509.DNSName)
    hosts += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    if not hosts:
        raise SettingsError("The SuperLink's certificate names no host.")
    return hosts[0].replace("*", "superlink")


def _authority(folder: Path, now: datetime, days: int) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if (folder / AUTHORITY).exists() and (folder / AUTHORITY_KEY).exists():
        key = serialization.load_pem_private_key((folder / AUTHORITY_KEY).read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes()), key
    if (folder / AUTHORITY).exists() or (folder / AUTHORITY_KEY).exists():
        raise CertificatesExist(f"{AUTHORITY} is there without its key {AUTHORITY_KEY}, or with another's.")
    key = ec.generate_private_key(ec.SECP384R1())
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SegWatch federation")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _begun("SegWatch federation", title, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    _write_key(folder / AUTHORITY_KEY, key)
    (folder / AUTHORITY).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _begun(subject: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime,
           days: int) -> x509.CertificateBuilder:  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(pem)
