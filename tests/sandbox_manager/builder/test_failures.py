"""From the output of a failed build to what a person can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed, UnverifiedTLS, explain

LOG = Path("image.log")


@pytest.mark.parametrize(
    "output",
    [
        "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed')",
        "npm error code SELF_SIGNED_CERT_IN_CHAIN",
        "curl: (60) SSL certificate problem: unable to get local issuer certificate",
        "npm error code UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    ],
)
def test_an_unknown_issuer_is_recognised(output: str) -> None:
    """pip, npm and curl say it in their own words; the cure is the same."""
    failure = explain("base", output, LOG)
    assert isinstance(failure, UnverifiedTLS)
    assert "--ca-bundle" in failure.cure


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("E: write error - No space left on device", "docker system df"),
        ("Temporary failure resolving 'mirror.example'", "resolve names"),
        ("The command '/bin/sh -c false' returned a non-zero code: 1", "second try"),
    ],
)
def test_other_causes_have_other_cures(output: str, cure: str) -> None:
    """What can be told apart is told apart; the rest is a step that failed."""
    failure = explain("base", output, LOG)
    assert type(failure) is BuildFailed
    assert cure in failure.cure


def test_the_end_of_the_output_is_kept() -> None:
    """The last lines are where the reason stands."""
    failure = explain("base", "\n".join(str(number) for number in range(100)), LOG, lines=3)
    assert failure.tail == "97\n98\n99"
