"""Questions that are answered together: which, in what order, and what one failure does."""

import asyncio
import threading

import pytest

from multvae_jax.serving.microbatches import Microbatches, TooManyWaitingError


class Squares:
    """Answers numbers by their squares, once it may; the batches are kept."""

    def __init__(self):
        self.batches = []
        self.may_answer = threading.Event()

    def __call__(self, questions):
        self.may_answer.wait(10)
        self.batches.append(list(questions))
        if 13 in questions:
            raise ValueError("13")
        return [question**2 for question in questions]


def asked(talk, **options):
    """The batches of a talk with a queue of squares, and what the talk returns."""
    squares = Squares()
    queue = Microbatches(squares, rows=lambda question: 1 + question // 100, **options)

    async def run():
        running = asyncio.create_task(queue.run())
        try:
            return await talk(queue, squares.may_answer)
        finally:
            running.cancel()

    return asyncio.run(run()), squares.batches


async def started(queue, *groups):
    """A task for each group of questions, which have come in this order."""
    tasks = [asyncio.create_task(queue.ask(group)) for group in groups]
    # Once around, so that each has asked, and the first is being answered.
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_what_arrives_while_a_batch_is_computed_is_the_next_one():
    async def talk(queue, may_answer):
        first = await started(queue, [1])
        others = await started(queue, [2], [3, 4], [5])
        may_answer.set()
        return await asyncio.gather(*first, *others)

    answers, batches = asked(talk, most_rows=8)
    assert answers == [[1], [4], [9, 16], [25]]
    assert batches == [[1], [2, 3, 4, 5]]


def test_a_batch_has_so_many_rows_or_one_question():
    async def talk(queue, may_answer):
        tasks = await started(queue, [1])
        tasks += await started(queue, [2, 3, 4], [5, 900], [250, 6])
        may_answer.set()
        return await asyncio.gather(*tasks)

    _, batches = asked(talk, most_rows=3)
    assert batches == [[1], [2, 3, 4], [5], [900], [250], [6]]


def test_a_question_that_fails_takes_no_other_with_it():
    async def talk(queue, may_answer):
        tasks = await started(queue, [1], [2], [13], [3])
        may_answer.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    (one, two, failed, three), _ = asked(talk, most_rows=8)
    assert (one, two, three) == ([1], [4], [9])
    assert isinstance(failed, ValueError)


def test_who_has_gone_is_not_answered_and_too_many_are_refused():
    async def talk(queue, may_answer):
        (first,) = await started(queue, [1])
        gone, stays = await started(queue, [2, 3], [4])
        with pytest.raises(TooManyWaitingError):
            await queue.ask([5, 6])
        gone.cancel()
        await asyncio.sleep(0)
        may_answer.set()
        return await asyncio.gather(first, stays)

    answers, batches = asked(talk, most_rows=8, most_waiting=4)
    assert answers == [[1], [16]]
    assert batches[-1] == [4]
