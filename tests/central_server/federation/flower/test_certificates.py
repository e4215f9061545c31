"""Certificates of the centre's own are good for the name that sites dial, and are never overwritten."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from central_server.federation.flower.certificates import make_certificates, name_in
from central_server.federation.flower.errors import CertificatesExist
from shared.errors import SettingsError

HOST = "central.example.org"


def verify(folder: Path, authority: Path, name: x509.GeneralName, at: datetime | None = None) -> None:
    store = Store([x509.load_pem_x509_certificate(authority.read_bytes())])
    builder = PolicyBuilder().store(store)
    policy = (builder.time(at) if at else builder).build_server_verifier(name)
    policy.verify(x509.load_pem_x509_certificate((folder / "server.pem").read_bytes()), [])


def test_a_client_that_trusts_the_authority_takes_the_certificate_for_its_name_alone(tmp_path: Path) -> None:
    authority = make_certificates(tmp_path, HOST, 30)
    verify(tmp_path, authority, x509.DNSName(HOST))
    with pytest.raises(VerificationError):
        verify(tmp_path, authority, x509.DNSName("other.example.org"))


def test_an_address_instead_of_a_name(tmp_path: Path) -> None:
    import ipaddress

    authority = make_certificates(tmp_path, "192.0.2.7", 30)
    verify(tmp_path, authority, x509.IPAddress(ipaddress.ip_address("192.0.2.7")))


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    make_certificates(tmp_path / "ours", HOST, 30)
    other = make_certificates(tmp_path / "other", HOST, 30)
    with pytest.raises(VerificationError):
        verify(tmp_path / "ours", other, x509.DNSName(HOST))


def test_it_is_good_for_so_many_days(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = make_certificates(tmp_path, HOST, 30)
    verify(tmp_path, authority, x509.DNSName(HOST), now + timedelta(days=29))
    with pytest.raises(VerificationError):
        verify(tmp_path, authority, x509.DNSName(HOST), now + timedelta(days=31))


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    make_certificates(tmp_path, HOST, 30)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*_key.pem")} == {0o600}


def test_a_certificate_is_made_anew_under_the_same_authority_once_the_old_one_is_moved_away(tmp_path: Path) -> None:
    authority = make_certificates(tmp_path, HOST, 30).read_bytes()
    with pytest.raises(CertificatesExist):
        make_certificates(tmp_path, HOST, 30)
    for name in ("server.pem", "server_key.pem"):
        (tmp_path / name).unlink()
    assert make_certificates(tmp_path, HOST, 30).read_bytes() == authority  # sites need no new file
    verify(tmp_path, tmp_path / "ca.pem", x509.DNSName(HOST))


def test_an_authority_without_its_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    make_certificates(tmp_path, HOST, 30)
    for name in ("server.pem", "server_key.pem", "ca_key.pem"):
        (tmp_path / name).unlink()
    with pytest.raises(CertificatesExist):
        make_certificates(tmp_path, HOST, 30)


@pytest.mark.parametrize(
    ("host", "name"), [(HOST, HOST), ("192.0.2.7", "192.0.2.7"), ("*.example.org", "superlink.example.org")]
)
def test_the_centres_own_programs_find_the_name_in_the_certificate(tmp_path: Path, host: str, name: str) -> None:
    make_certificates(tmp_path, host, 30)
    assert name_in(tmp_path / "server.pem") == name


def test_a_file_that_is_no_certificate_is_said(tmp_path: Path) -> None:
    make_certificates(tmp_path, HOST, 30)
    for name in ("server_key.pem", "ca.pem"):  # the second one names no host
        with pytest.raises(SettingsError):
            name_in(tmp_path / name)
