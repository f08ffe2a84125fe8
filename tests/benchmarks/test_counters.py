"""Cost of an update by XLA's own count: a form that costs more fails here, without a clock."""

import re

import pytest

from benchmarks.counters import BFLOAT16, BLOCKS, BLOCKWISE, LIMITS, blocks_held, ratios
from benchmarks.harness.update import UpdateShape, minimum, traced_update

pytestmark = [pytest.mark.updates, pytest.mark.usefixtures("shipped_compile")]
SHAPE = UpdateShape(items=20_108)


def test_an_update_is_close_to_the_analytic_minimum():
    _, over = ratios(SHAPE)
    for counter, limit in LIMITS.items():
        assert getattr(over, counter) <= limit, counter
    # A counter far below the minimum would mean that one of the two is wrong.
    assert over.flops > 0.98


def test_no_update_copies_a_kernel_or_the_logits_or_sums_their_columns():
    """Parameters and moments are updated in place; only layouts small enough are transposed."""
    program = traced_update(SHAPE).lower().compile().as_text()
    outside = [part for part in re.split(r"\n(?=%|ENTRY)", program) if "fused" not in part[:40]]
    large = r"f32\[(?:500,20108|20108,500|20108,600|600,20108)\]\S* (copy|transpose)\("
    assert re.findall(large, "\n".join(outside)) == []
    # XLA sums the columns of an array on a CPU in a scalar loop, which takes six times as long.
    assert re.findall(r"f32\[20108\]\S* reduce\(", program) == []


@pytest.mark.parametrize("items", [20_108, 300_000])
def test_in_blocks_the_temporaries_are_the_gradients_and_a_few_blocks(items):
    _, blocks = blocks_held(UpdateShape(items))
    assert blocks <= BLOCKS


platforms = pytest.mark.parametrize("platform", ["cuda", "tpu"])


@platforms
def test_the_update_lowers_for_accelerators_with_the_same_work(platform):
    lowered = traced_update(SHAPE).lower(lowering_platforms=(platform,))
    assert lowered.cost_analysis()["flops"] <= LIMITS["flops"] * minimum(SHAPE).flops
    # The CPU's forms loop over the columns of the chunks; on accelerators there is no loop.
    assert lowered.as_text().count("stablehlo.while") == 0


@platforms
@pytest.mark.parametrize("form", [BFLOAT16, {**BFLOAT16, **BLOCKWISE}], ids=["whole", "blocks"])
def test_accelerators_multiply_bfloat16_into_float32(platform, form):
    program = traced_update(SHAPE, **form).lower(lowering_platforms=(platform,)).as_text()
    products = re.findall(r"dot_general.*: \((.*)\) -> (.*)", program)
    # Each of the three kernels after the first is in three products; in blocks, one of them is
    # computed once more, and once more for the remaining block.
    assert len(products) >= 9
    for operands, result in products:
        assert re.findall(r"x([a-z]+\d+)>", operands) == ["bf16", "bf16"]
        assert result.endswith("xf32>")
    assert program.count("stablehlo.while") == (2 if form.keys() > BFLOAT16.keys() else 0)
