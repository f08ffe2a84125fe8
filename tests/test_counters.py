"""What an update costs, by XLA's own count: a form that costs more fails here, without a clock."""

import re

import pytest

from benchmarks.counters import LIMITS, ratios
from benchmarks.steps import Shape, minimum, traced_step

pytestmark = pytest.mark.updates
SHAPE = Shape(items=20_108)


def test_an_update_is_close_to_the_analytic_minimum():
    _, over = ratios(SHAPE)
    for counter, limit in LIMITS.items():
        assert getattr(over, counter) <= limit, counter
    # A counter far below the minimum would mean that one of the two is wrong.
    assert over.flops > 0.98


def test_no_update_copies_a_kernel_or_the_logits():
    """Parameters and moments are updated in place; only layouts small enough are transposed."""
    program = traced_step(SHAPE).lower().compile().as_text()
    outside = [part for part in re.split(r"\n(?=%|ENTRY)", program) if "fused" not in part[:40]]
    large = r"f32\[(?:500,20108|20108,500|20108,600|600,20108)\]\S* (copy|transpose)\("
    assert re.findall(large, "\n".join(outside)) == []


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_update_lowers_for_accelerators_with_the_same_work(platform):
    lowered = traced_step(SHAPE).lower(lowering_platforms=(platform,))
    assert lowered.cost_analysis()["flops"] <= LIMITS["flops"] * minimum(SHAPE).flops
    # The CPU's forms loop over the columns of the chunks; an accelerator takes them at once.
    assert lowered.as_text().count("stablehlo.while") == 0
