"""A small page on this machine that sandboxes can open: served on the address of Docker's own bridge."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import docker

BODY = b"<!doctype html><title>Local</title><h1>A local page</h1><p>Small, and <a href='/next'>linked</a>.</p>"


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing: the table is the output."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the page while the block runs; yield its address."""
    config = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]
    # Some engines do not say the gateway of their own bridge; it is the first address then.
    gateway = config.get("Gateway") or str(next(ip_network(config["Subnet"]).hosts()))
    with ThreadingHTTPServer((gateway, 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{gateway}:{server.server_port}/"
        server.shutdown()
