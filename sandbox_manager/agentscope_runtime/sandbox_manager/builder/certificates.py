"""Whether build steps need this host's CA bundle, and which file that is.

Networks that intercept TLS are common: the host trusts the interceptor's CA, a fresh container does not. The question
is put to pip itself, with the public roots only: whatever index, proxy and configuration it uses are the ones that the
build will meet. A wrong answer costs one failed step: the build is repeated with the bundle when a step reports an
unknown issuer. The bundle is for build steps; what it leaves in the image is nothing, unless --keep-ca asks for it.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import certifi

from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed

PROBE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Authorities:
    """The CA bundle of a build."""

    pem: bytes = b""
    """Empty: the public roots are enough."""
    origin: str = "not needed"
    may_retry: bool = False
    """Whether nobody chose, so that a build which cannot verify a server may try again with the host's bundle."""


PUBLIC = Authorities()


def choose(option: str | None) -> Authorities:
    """Return the CA bundle for `--ca-bundle`: a file, `none`, or (None) whatever turns out to be needed."""
    if option == "none":
        return Authorities(origin="switched off")
    if option is not None:
        return _read(Path(option).expanduser())
    if _public_roots_fail():
        return of_host()
    return Authorities(may_retry=True)


def of_host() -> Authorities:
    """Return the bundle that this host itself trusts."""
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")]
    for candidate in (*named, ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if candidate and Path(candidate).is_file():
            return _read(Path(candidate))
    raise BuildFailed(
        "this network intercepts TLS, and the host's own CA bundle was not found", "Name it with --ca-bundle FILE."
    )


def _read(path: Path) -> Authorities:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise BuildFailed(f"the CA bundle {path} cannot be read: {error.strerror}", "Name a PEM file.") from error
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise BuildFailed(f"{path} has no PEM certificate in it", "Convert it: openssl x509 -inform der -in FILE.")
    if b"PRIVATE KEY-----" in pem:
        raise BuildFailed(f"{path} holds a private key", "Name a file with certificates only.")
    return Authorities(pem, str(path))


def _public_roots_fail() -> bool:
    """Tell whether pip, trusting the public roots only, meets an issuer that it does not know."""
    roots = certifi.where()
    environment = {
        **os.environ,
        **dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), roots),
        "SSL_CERT_DIR": "/nonexistent",
        "PIP_RETRIES": "0",
        "PIP_DEFAULT_TIMEOUT": "10",
    }
    command = [sys.executable, "-m", "pip", "index", "versions", "pip", "--disable-pip-version-check", "--no-input"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "certificate verify failed" in (done.stdout + done.stderr).lower()
