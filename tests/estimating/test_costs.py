"""Costs of programs, against what is known of them on paper."""

import jax
import jax.numpy as jnp
import pytest

from multvae_jax.estimating.costs import Dot, Exchange, costs_of


def compiled(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arguments).compile().as_text()


def test_a_product_in_a_loop_counts_as_often_as_it_runs():
    def several(h, kernel):
        return jax.lax.fori_loop(0, 7, lambda _, h: jnp.tanh(h @ kernel), h)

    costs = costs_of(compiled(several, (30, 40), (40, 40)))
    assert costs.dots == {Dot(30, 40, 40, "f32"): 7}
    assert costs.flops == 7 * 2 * 30 * 40 * 40
    # Each product reads two arrays and writes one, at least.
    assert costs.bytes >= 7 * 4 * (2 * 30 * 40 + 40 * 40)


def test_what_a_cache_still_holds_is_not_streamed_twice():
    text = """HloModule m, entry_computation_layout={()->f32[]}

ENTRY %main (a: f32[1000]) -> f32[1000] {
  %a = f32[1000]{0} parameter(0)
  %b = f32[1000]{0} negate(%a)
  ROOT %c = f32[1000]{0} add(%a, %b)
}
"""
    large, small = costs_of(text, cache=100_000), costs_of(text, cache=3_000)
    # Five arrays are read or written; a and b come from the memory once, and c goes there.
    assert large.bytes == small.bytes == 5 * 4000
    assert large.streamed == 3 * 4000
    assert small.streamed == 5 * 4000
    assert large.instructions == 2


def test_an_update_in_place_moves_only_the_part():
    text = """HloModule m

ENTRY %main (a: f32[500,100], b: f32[1,100], i: s32[]) -> f32[500,100] {
  %a = f32[500,100]{1,0} parameter(0)
  %b = f32[1,100]{1,0} parameter(1)
  %i = s32[] parameter(2)
  ROOT %c = f32[500,100]{1,0} dynamic-update-slice(%a, %b, %i, %i)
}
"""
    assert costs_of(text).bytes == 2 * 400 + 2 * 4


def test_the_iterations_of_a_loop_whose_number_is_known_are_counted():
    text = """HloModule m

%body (p: (s32[], f32[10])) -> (s32[], f32[10]) {
  %p = (s32[], f32[10]{0}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %x = f32[10]{0} get-tuple-element(%p), index=1
  %y = f32[10]{0} exponential(%x)
  ROOT %r = (s32[], f32[10]{0}) tuple(%i, %y)
}

%cond (p: (s32[], f32[10])) -> pred[] {
  %p = (s32[], f32[10]{0}) parameter(0)
  ROOT %t = pred[] constant(true)
}

ENTRY %main (a: (s32[], f32[10])) -> (s32[], f32[10]) {
  %a = (s32[], f32[10]{0}) parameter(0)
  ROOT %w = (s32[], f32[10]{0}) while(%a), condition=%cond, body=%body, backend_config={"known_trip_count":{"n":"12"}}
}
"""  # noqa: E501
    costs = costs_of(text)
    assert (costs.instructions, costs.bytes) == (12, 12 * 80)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("{{0,1},{2,3}}", (2, 2)),
        ("{{0,4},{1,5}}", (2, 5)),
        ("[2,4]<=[8]", (4, 4)),
        # A mesh of 2 x 4, over its first axis.
        ("[4,2]<=[2,4]T(1,0)", (2, 5)),
        ("mesh['data'=2,'items'=4] {'items'}", (4, 4)),
        ("mesh['data'=2,'items'=4] {'data'}", (2, 5)),
    ],
)
def test_collective_operations_count_by_their_groups(groups, expected):
    text = f"""HloModule m

ENTRY %main (a: f32[6,50]) -> f32[6,50] {{
  %a = f32[6,50]{{1,0}} parameter(0)
  ROOT %r = f32[6,50]{{1,0}} all-reduce(%a), channel_id=1, replica_groups={groups}, to_apply=%add
}}
"""
    costs = costs_of(text)
    assert costs.collectives == {Exchange("all-reduce", *expected): 1200}
    assert costs.exchanges == 1
    assert costs.times(3).exchanged == 3600


def test_a_device_alone_exchanges_nothing():
    text = """HloModule m

ENTRY %main (a: f32[6,50]) -> f32[6,50] {
  %a = f32[6,50]{1,0} parameter(0)
  ROOT %r = f32[6,50]{1,0} all-reduce(%a), replica_groups={{0},{1}}, to_apply=%add
}
"""
    assert costs_of(text).exchanges == costs_of(text).exchanged == 0
