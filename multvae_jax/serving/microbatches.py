"""Questions of concurrent requests, answered together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MOST_WAITING = 10_000
"""Questions that wait at most; further ones are refused until some are answered."""


class TooManyWaitingError(Exception):
    """More questions wait than the server will hold."""


class Microbatches:
    """Answers whatever has arrived while the batch before was computed, as the next batch.

    There is no delay: a question that comes alone is answered at once, and the more come together,
    the larger the batches are.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Any]], Sequence[Any]],
        rows: Callable[[Any], int],
        most_rows: int,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Make a queue; `run` answers what is asked.

        Args:
            answer: the answers of a batch of questions; it runs in another thread, one batch at a
                time.
            rows: number of rows of a batch that a question takes.
            most_rows: rows of a batch at most, unless one question alone takes more.
            most_waiting: questions that wait at most.
        """
        self._answer, self._rows, self._most_rows = answer, rows, most_rows
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._arrived = asyncio.Event()

    async def ask(self, questions: Sequence[Any]) -> list[Any]:
        """The answers of some questions, once their batches are computed.

        Raises:
            TooManyWaitingError: too many questions wait already.
        """
        if len(self._waiting) + len(questions) > self._most_waiting:
            raise TooManyWaitingError
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in questions]
        self._waiting.extend(zip(questions, futures, strict=True))
        self._arrived.set()
        return await asyncio.gather(*futures)

    async def run(self) -> None:
        """Answer questions until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._next_batch()
            if not batch:
                self._arrived.clear()
                continue
            questions = [question for question, _ in batch]
            answers = await loop.run_in_executor(None, self._answers, questions)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _next_batch(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        """The questions that have waited longest, without those whose client has gone."""
        batch: list[tuple[Any, asyncio.Future[Any]]] = []
        rows = 0
        while self._waiting:
            question, future = self._waiting[0]
            if not future.done():
                rows += self._rows(question)
                if batch and rows > self._most_rows:
                    break
                batch.append((question, future))
            self._waiting.popleft()
        return batch

    def _answers(self, questions: Sequence[Any]) -> Sequence[Any]:
        """The answers, or the exception of each question that has none."""
        try:
            return self._answer(questions)
        except Exception as error:
            if len(questions) == 1:
                return [error]
        # One at a time, so that a question that fails does not take the others with it.
        return [answer for question in questions for answer in self._answers([question])]
