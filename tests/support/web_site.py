"""A web site for tests, on http and https: pages as text, answers that misbehave, and a certificate of its own CA."""

from __future__ import annotations

import datetime
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Site:
    """A site that runs; `pages` may be changed meanwhile."""

    pages: dict[str, str]
    http_port: int = 0
    https_port: int = 0
    ca_pem: str = ""
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    """What was posted, in order: path and body."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Answers below /held wait for it."""


@contextmanager
def web_site(pages: dict[str, str], names: Sequence[str]) -> Iterator[Site]:
    """Serve `pages` (path → HTML) on all interfaces, as each of `names`."""
    site = Site(pages)
    site.ca_pem, chain, key = certificates(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(chain + key)
        file.flush()
        context.load_cert_chain(file.name)
    plain, secure = (_server(site) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    site.http_port, site.https_port = plain.server_address[1], secure.server_address[1]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (plain, secure)]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        site.hold.set()
        for server, thread in zip((plain, secure), threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


def _server(site: Site) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/held"):
                site.hold.wait(60)
            if path.startswith("/file"):
                self._answer(200, b"contents of the file", "application/octet-stream")
            elif path in site.pages:
                self._answer(200, site.pages[path].encode(), "text/html; charset=utf-8")
            else:
                self._answer(404, b"<title>Not here</title><p>Not here</p>", "text/html")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            site.posts.append((self.path, body))
            self._answer(200, b"<title>Posted</title><p>Thank you</p>", "text/html")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if kind == "application/octet-stream":
                self.send_header("Content-Disposition", 'attachment; filename="report.bin"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output readable."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False  # idle keep-alive connections of a browser never end by themselves

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: browsers drop connections as they like."""

    return Server(("0.0.0.0", 0), Handler)


def certificates(names: Sequence[str]) -> tuple[str, str, str]:
    """Make a CA and a certificate for these names; return the CA, the chain and the key, as PEM."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)

    def builder(who: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(ca)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    ca_certificate = (
        builder(ca, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        builder(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca_pem = ca_certificate.public_bytes(serialization.Encoding.PEM).decode()
    chain = certificate.public_bytes(serialization.Encoding.PEM).decode() + ca_pem
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return ca_pem, chain, private
