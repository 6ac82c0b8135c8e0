"""Between services: TLS with certificates on both sides, when so configured."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from paceline.runtime.grpc_options import Tls
from paceline.runtime.grpc_server import Listen
from tests.integration.runtime.echo import EchoService, method, serving

SERVICE_NAME = "paceline.internal"


class Authority:
    """Signs certificates into files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._certificate = self._sign(self._name, self._key.public_key(), is_authority=True)
        self.file = folder / "ca.crt"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def identity(self) -> Tls:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVICE_NAME)])
        certificate = self._sign(name, key.public_key(), is_authority=False)
        (self.folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Tls(self.folder / "tls.crt", self.folder / "tls.key", self.file, SERVICE_NAME)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVICE_NAME)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )


async def test_peers_with_certificates_of_one_authority_talk(tmp_path: Path) -> None:
    tls = Authority(tmp_path / "ours").identity()
    async with (
        serving(EchoService(), listen=Listen(tls=tls, tls_required=True)) as wire,
        wire.channel(tls, tls_required=True) as channel,
    ):
        assert await method(channel, "Echo")(b"x") == b"x"


async def test_a_peer_of_another_authority_is_refused(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs").identity()
    stranger = Tls(theirs.certificate_file, theirs.key_file, ours.file, SERVICE_NAME)
    async with (
        serving(EchoService(), listen=Listen(tls=ours.identity())) as wire,
        wire.channel(stranger) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(channel, "Echo")(b"x")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_does_not_get_in(tmp_path: Path) -> None:
    tls = Authority(tmp_path / "ours").identity()
    async with serving(EchoService(), listen=Listen(tls=tls)) as wire, wire.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(channel, "Echo")(b"x")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
