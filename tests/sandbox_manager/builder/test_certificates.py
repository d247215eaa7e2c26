"""Which CA bundle build steps get: chosen, refused, or found out."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from agentscope_runtime.sandbox_manager.builder import certificates
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate that nobody but us knows, with its key beside it."""
    pem = tmp_path_factory.mktemp("ca") / "ca.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext {names}"
    subprocess.run([*make.split(), "-keyout", f"{pem}.key", "-out", str(pem)], check=True, capture_output=True)
    return pem


@pytest.fixture
def index(ca: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve a package index over TLS with that certificate, and let pip use it."""

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'<a href="pip-99.0-py3-none-any.whl">pip-99.0-py3-none-any.whl</a>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses us is the point
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, f"{ca}.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"https://localhost:{server.server_port}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
    server.shutdown()
    server.server_close()


def test_a_file_is_taken_as_it_is(ca: Path) -> None:
    """Who names a bundle gets that one, and no second try with another."""
    chosen = certificates.choose(str(ca))
    assert chosen.pem == ca.read_bytes()
    assert not chosen.may_retry


def test_none_means_none() -> None:
    """`none` asks nobody."""
    chosen = certificates.choose("none")
    assert (chosen.pem, chosen.may_retry) == (b"", False)


def test_the_hosts_bundle_is_used_where_the_index_needs_it(
    ca: Path, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip with the public roots does not know the issuer; so the build gets what this host trusts."""
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert certificates.choose(None).pem == ca.read_bytes()


def test_nothing_is_passed_where_the_public_roots_are_enough(
    ca: Path, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the index's issuer is one of the public roots."""
    monkeypatch.setattr(certifi, "where", lambda: str(ca))
    chosen = certificates.choose(None)
    assert (chosen.pem, chosen.may_retry) == (b"", True)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"\x30\x82", "no PEM"),
        (b"-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----", "key"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """Neither a missing file, nor a binary one, nor one with a private key goes into a build."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BuildFailed, match=complaint):
        certificates.choose(str(path))
