"""What managers derive from the secret of their installation: the same everywhere, and nothing that tells more."""

from __future__ import annotations

import re

import pytest

from agentscope_runtime.sandbox_manager.identity import Identity

ONE = Identity("one", b"s" * 32)
STATEMENT = b'{"sandbox_id": "sbx-1"}'


def test_two_managers_derive_the_same() -> None:
    """They share nothing but the secret."""
    other = Identity("one", b"s" * 32)
    assert other.box_token("sbx-1") == ONE.box_token("sbx-1")
    assert other.derived("seals") == ONE.derived("seals")
    assert other.has_signed("lease", STATEMENT, ONE.sign("lease", STATEMENT))


def test_each_box_and_each_purpose_has_a_key_of_its_own() -> None:
    """Whoever finds one of them knows no other; a box named as a purpose is not that purpose."""
    keys = {ONE.box_token("sbx-1"), ONE.box_token("sbx-2"), ONE.box_token("seals"), ONE.derived("seals")}
    keys |= {ONE.derived("sbx-1"), Identity("one", b"t" * 32).box_token("sbx-1")}
    assert len(keys) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", key) for key in keys), "256 bits, fit for a header"


@pytest.mark.parametrize("signature", ["", "0" * 64, "ä", "\udcff"])
def test_a_signature_that_is_none_proves_nothing(signature: str) -> None:
    """Whatever characters it has."""
    assert not ONE.has_signed("lease", STATEMENT, signature)


def test_a_signature_is_of_one_statement_for_one_purpose_by_one_installation() -> None:
    """Another of either does not pass."""
    signature = ONE.sign("lease", STATEMENT)
    assert not ONE.has_signed("lease", STATEMENT + b" ", signature)
    assert not ONE.has_signed("other", STATEMENT, signature)
    assert not Identity("one", b"t" * 32).has_signed("lease", STATEMENT, signature)


def test_the_secret_is_not_shown() -> None:
    """Not even by accident, in a log line."""
    assert "ssss" not in repr(ONE)


def test_one_that_passes_is_nobody_elses() -> None:
    """Each has a secret of its own."""
    assert Identity.passing().box_token("sbx-1") != Identity.passing().box_token("sbx-1")
