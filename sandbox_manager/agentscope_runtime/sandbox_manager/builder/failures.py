"""What goes wrong while images are made, and what a person can do about it."""

from __future__ import annotations

import re
from pathlib import Path


class BuildFailed(Exception):
    """An image could not be made; the message says what failed, `cure` what to do."""

    def __init__(self, what: str, cure: str, log: Path | None = None, tail: str = "") -> None:
        """Describe one failure; `tail` is the end of the build's output."""
        super().__init__(what)
        self.cure = cure
        self.log = log
        self.tail = tail


class UnverifiedTLS(BuildFailed):
    """A build step reached a server whose certificate it could not verify."""


_TLS = re.compile(
    r"certificate verify failed|self[- _]signed certificate|unable to (get|verify) (local )?(issuer|the first) cert"
    r"|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|certificate is NOT trusted",
    re.IGNORECASE,
)
_NAMES = re.compile(r"Temporary failure (in name )?resol|Could not resolve|EAI_AGAIN|ENOTFOUND", re.IGNORECASE)
_PLATFORM = re.compile(r"exec format error|no match for platform", re.IGNORECASE)
_DISK = re.compile(r"No space left on device|ENOSPC", re.IGNORECASE)


def explain(what: str, output: str, log: Path, lines: int = 30) -> BuildFailed:
    """Make the failure that the output of a build tells of."""
    tail = "\n".join(output.rstrip().splitlines()[-lines:])
    if _TLS.search(output):
        return UnverifiedTLS(
            f"{what}: a server's certificate could not be verified",
            "This network intercepts TLS, or the index is your own: pass its CA with --ca-bundle FILE "
            "(make images CA_BUNDLE=FILE).",
            log,
            tail,
        )
    if _DISK.search(output):
        cure = "The disk is full: `docker system df` shows what the engine holds, `docker image prune` frees some."
    elif _PLATFORM.search(output):
        cure = (
            "This engine cannot run programs of that platform: give it an emulator (binfmt_misc with QEMU), or build "
            "on a machine of that kind."
        )
    elif _NAMES.search(output):
        cure = (
            "Build steps cannot resolve names: check the network, and `docker run --rm IMAGE cat /etc/resolv.conf`; "
            "behind a proxy set HTTP_PROXY and HTTPS_PROXY, they reach the build."
        )
    else:
        cure = "That step failed. A second try (make images) keeps the steps that worked."
    return BuildFailed(what, cure, log, tail)
