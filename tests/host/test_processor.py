"""What the processor has instructions for."""

import pytest

from multvae_jax.host import processor

WITH = "processor\t: {}\nflags\t\t: fpu avx512f avx512_bf16 avx512vbmi\nbogomips\t: 5192.29\n\n"
WITHOUT = "processor\t: {}\nflags\t\t: fpu avx2 avx512f avx512_bf16x\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (WITH.format(0) + WITH.format(1), True),
        (WITH.format(0) + WITHOUT.format(1), False),
        (WITHOUT.format(0), False),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),
    ],
    ids=["all", "some", "none", "another architecture", "another system"],
)
def test_instructions_for_bfloat16(cpuinfo, expected):
    assert processor.multiplies_bfloat16(cpuinfo) is expected


def test_a_system_that_lists_no_processors(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "missing")
    processor._own.cache_clear()
    assert processor.multiplies_bfloat16() is False
    monkeypatch.undo()
    processor._own.cache_clear()
