"""How providers are reached: private certificates and proxies, against real servers on loopback."""

import base64
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.http import AiohttpTransport, TransportError
from prompts.input_error import InputError
from providers.provider import Provider
from providers.wire import Billing, FailureKind, HttpCall
from tests.harness.loopback import Loopback

Key = ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        extensions = [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.KeyUsage(**usage, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False)), True),
            (x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False),
        ]
        self.certificate = self._sign(self._name, self._key, extensions)

    def write(self, path: Path) -> Path:
        """Its certificate, as PEM."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def server_context(self, folder: Path, host: str = "127.0.0.1") -> ssl.SSLContext:
        """What a server at `host` needs to be trusted by whoever trusts this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        extensions = [
            (x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ]
        pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        chain = folder / "server.pem"
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
        chain.write_bytes(secret + self._sign(name, key, extensions).public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _sign(self, name: x509.Name, key: Key, extensions: list[tuple[Any, bool]]) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(issuer_name=self._name, subject_name=name, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("a private CA")


@pytest.fixture
def secure(tmp_path: Path, authority: Authority) -> Iterator[Loopback]:
    """A provider that speaks TLS, with a certificate of the private CA."""
    server = Loopback()
    plain = server._server.socket
    server._server.socket = authority.server_context(tmp_path).wrap_socket(plain, server_side=True)
    server.base_url = server.base_url.replace("http://", "https://")
    with server:
        yield server


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def lab(base_url: str, **keys: Any) -> Provider:
    return Provider(protocol="openai", base_url=base_url, **keys)


def call_to(entry: Provider) -> HttpCall:
    return HttpCall(f"{entry.base_url}/chat/completions", {}, b'{"messages":[{"content":"hello"}]}')


async def post(entry: Provider) -> tuple[int, bytes]:
    async with AiohttpTransport(entry) as transport:
        status, _, body = await transport.post(call_to(entry))
    return status, body


async def failure_of(entry: Provider) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await post(entry)
    return caught.value


async def test_a_private_ca_is_trusted_where_it_is_named(
    secure: Loopback, authority: Authority, tmp_path: Path
) -> None:
    """With its certificate in `ca_file` the call goes through."""
    status, body = await post(lab(secure.base_url, ca_file=str(authority.write(tmp_path / "ca.pem"))))
    assert status == 200
    assert b"hello" in body


async def test_a_certificate_of_another_ca_is_refused(secure: Loopback, tmp_path: Path) -> None:
    """Nothing is sent, so that nothing can have been billed, and the error names the setting."""
    other = Authority("another CA").write(tmp_path / "other.pem")
    for entry in (lab(secure.base_url, ca_file=str(other)), lab(secure.base_url)):
        failure = (await failure_of(entry)).failure
        assert (failure.kind, failure.billing) == (FailureKind.TRANSIENT, Billing.UNBILLED)
        assert failure.message.startswith("the certificate of 127.0.0.1 is not trusted: ")
        assert "ca_file" in failure.message
    assert not secure.calls


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, authority: Authority) -> None:
    """A CA that is trusted does not make one server another."""
    server = Loopback()
    context = authority.server_context(tmp_path, "127.0.0.9")
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    with server:
        url = server.base_url.replace("http://", "https://")
        failure = (await failure_of(lab(url, ca_file=str(authority.write(tmp_path / "ca.pem"))))).failure
    assert failure.billing is Billing.UNBILLED
    assert "IP address mismatch" in failure.message


async def test_without_verification_any_certificate_will_do(secure: Loopback) -> None:
    """`verify = false` is for those who know what they do."""
    assert (await post(lab(secure.base_url, verify=False)))[0] == 200


async def test_a_ca_file_that_is_gone_by_now_is_bad_input(tmp_path: Path) -> None:
    """A run that is resumed where the file is not there ends with one clear error, not with a traceback."""
    with pytest.raises(InputError, match=r"gone\.pem: cannot be read: No such file") as caught:
        AiohttpTransport(lab("https://127.0.0.1:1", ca_file=str(tmp_path / "gone.pem")))
    assert caught.value.field == "ca_file"


async def test_calls_go_through_the_proxy(provider: Loopback) -> None:
    """The proxy is asked for the provider's address, with the password that its own address holds."""
    proxy = provider.base_url.removesuffix("/v1").replace("http://", "http://me:s3cret-word@")
    status, _ = await post(lab("http://provider.invalid/v1", proxy=proxy))
    assert status == 200
    [call] = provider.calls
    assert call.path == "http://provider.invalid/v1/chat/completions"
    given = call.headers["Proxy-Authorization"].removeprefix("Basic ")
    assert base64.b64decode(given) == b"me:s3cret-word"


async def test_the_environment_s_proxy_is_honoured(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables count where the catalog names no proxy, but for hosts that `no_proxy` takes out."""
    monkeypatch.setenv("http_proxy", provider.base_url.removesuffix("/v1"))
    assert (await post(lab("http://provider.invalid/v1")))[0] == 200
    assert provider.calls[0].path.startswith("http://provider.invalid/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await post(lab(provider.base_url)))[0] == 200
    assert provider.calls[1].path == "/v1/chat/completions"


class _Refusing(BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        self.send_response(407, "Proxy Authentication Required")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing_proxy() -> Iterator[str]:
    """The address of a proxy that lets nobody through."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://me:s3cret-word@127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_a_proxy_that_refuses_has_billed_nothing(refusing_proxy: str) -> None:
    """The provider was not reached; the error says which of the two it was, without the password."""
    error = await failure_of(lab("https://provider.invalid/v1", proxy=refusing_proxy))
    assert (error.failure.kind, error.failure.billing) == (FailureKind.TRANSIENT, Billing.UNBILLED)
    assert error.failure.message == "the proxy did not connect: 407 Proxy Authentication Required"
    assert "s3cret" not in str(error)


async def test_a_proxy_that_is_not_there_has_billed_nothing(provider: Loopback) -> None:
    """Nor has one that nobody listens at; the provider is not called without it."""
    entry = lab(provider.base_url, proxy="http://me:s3cret-word@127.0.0.1:9")
    error = await failure_of(entry)
    assert error.failure.billing is Billing.UNBILLED
    assert "s3cret" not in str(error)
    assert not provider.calls


async def test_extra_headers_organisation_and_project_are_sent(provider: Loopback) -> None:
    """As the catalog has them, on every call."""
    from providers.adapters import make_adapter
    from providers.protocols.paths import CHAT

    entry = lab(provider.base_url, headers={"X-Team": "eval"}, organization="org-1", project="proj-1")
    call = make_adapter(entry, "m", entry.base_url, "k-1").encode(CHAT, b'{"messages":[{"content":"hello"}]}')
    async with AiohttpTransport(entry) as transport:
        await transport.post(call)
    [came] = provider.calls
    names = ("X-Team", "OpenAI-Organization", "OpenAI-Project", "Authorization")
    assert [came.headers[name] for name in names] == ["eval", "org-1", "proj-1", "Bearer k-1"]
