"""The ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import jax
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import multvae_jax
from multvae_jax.errors import InputError, shortened
from multvae_jax.serving.endpoints import ENDPOINTS, Endpoint
from multvae_jax.serving.messages import Health, NotJsonError, Problem, decoded, encoded
from multvae_jax.serving.microbatches import Microbatches, TooManyWaitingError
from multvae_jax.serving.model import ServedModel
from multvae_jax.serving.openapi import document


def make_app(model: ServedModel, name: str) -> Starlette:
    """The application that answers requests with a model.

    Args:
        model: the model.
        name: what the run is called, for `/health`.
    """
    queues = [
        Microbatches(partial(each.answer, model), each.rows, model.batch_size) for each in ENDPOINTS
    ]

    @contextlib.asynccontextmanager
    async def answering(app: Starlette) -> AsyncIterator[None]:
        running = [asyncio.create_task(queue.run()) for queue in queues]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    routes = [
        Route(each.path, _answered_by(model, each, queue), methods=["POST"])
        for each, queue in zip(ENDPOINTS, queues, strict=True)
    ]
    for path, content in {
        "/health": encoded(_health(model, name)),
        "/openapi.json": msgspec.json.encode(document(model.limits)),
    }.items():
        routes.append(Route(path, _always(content), methods=["GET"]))
    paths = ", ".join(f"{_method(route)} {route.path}" for route in routes)

    def problem(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = shortened(request.url.path)
        told = {
            404: f"there is no {path}; there are {paths}",
            413: f"the body is larger than {model.limits.body:,} bytes, the most of this server",
            500: "the server has failed at this request; its log says why",
        }
        for route in routes:
            if route.path == request.url.path:
                told[405] = f"{path} takes {_method(route)}, and not {shortened(request.method)}"
        headers = error.headers if isinstance(error, HTTPException) else None
        return _refusal(status, told.get(status, f"HTTP status {status}"), headers)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    return Starlette(
        routes=routes,
        lifespan=answering,
        exception_handlers={HTTPException: problem, 500: problem, ClientDisconnect: gone},
    )


def _answered_by(model: ServedModel, endpoint: Endpoint, queue: Microbatches) -> Any:
    """The function that answers the requests of a path."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        # By the server, once it has waited long enough for the requests in progress.
        except asyncio.CancelledError:
            return _refusal(503, "the server has stopped before it could answer")

    async def answer(request: Request) -> Response:
        body = await _body(request, model.limits.body)
        try:
            asked = decoded(body, endpoint.request)
            questions = endpoint.questions(model, asked)
        except NotJsonError as error:
            return _refusal(400, str(error))
        except InputError as error:
            return _refusal(422, str(error))
        try:
            answers = await queue.ask(questions)
        except TooManyWaitingError:
            return _refusal(503, "too many requests wait; try again", {"Retry-After": "1"})
        return _json(encoded(endpoint.message(model, asked, questions, answers)))

    return answered


async def _body(request: Request, most: int) -> bytes:
    """The body of a request, of which no more is read than a limit.

    Raises:
        HTTPException: it is larger.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        # Starlette's own limit answers with text that is not JSON.
        if len(body) > most:
            raise HTTPException(413)
    return bytes(body)


def _always(content: bytes) -> Any:
    async def answered(request: Request) -> Response:
        return _json(content)

    return answered


def _health(model: ServedModel, name: str) -> Health:
    columns = () if model.encoder is None else model.encoder.columns
    return Health(
        "ok",
        name,
        len(model.run.catalogue.ids),
        [column.name for column in columns],
        jax.devices()[0].device_kind,
        multvae_jax.__version__,
    )


def _json(content: bytes, status: int = 200, headers: Any = None) -> Response:
    return Response(content, status, headers, media_type="application/json")


def _refusal(status: int, sentence: str, headers: Any = None) -> Response:
    return _json(encoded(Problem(sentence)), status, headers)


def _method(route: Route) -> str:
    return "POST" if "POST" in (route.methods or ()) else "GET"
