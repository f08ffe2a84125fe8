"""What is said about a configuration."""

import pytest

from multvae_jax.config.resolve import describe_precision


@pytest.mark.parametrize(
    ("precision", "backend", "native", "expected"),
    [
        ("float32", "cpu", True, None),
        ("bfloat16", "gpu", False, None),
        ("bfloat16", "cpu", True, "by the processor's own instructions (AVX512_BF16)"),
        ("bfloat16", "cpu", False, "multiplied in float32"),
    ],
)
def test_what_is_said_about_the_precision(precision, backend, native, expected):
    found = describe_precision(precision, backend, native)
    assert found is None if expected is None else expected in found
