"""The OpenAPI document of the server."""

from __future__ import annotations

from typing import Any

import multvae_jax
from multvae_jax.serving.endpoints import ENDPOINTS
from multvae_jax.serving.messages import Health, Limits, Problem, schemas_of

PROBLEMS = {
    "400": "The body is not JSON.",
    "413": "The body is too large.",
    "422": "The request cannot be answered, and one sentence says why.",
    "503": "Too many requests wait.",
}


def document(limits: Limits) -> dict[str, Any]:
    """The document, with the limits of requests in its description."""
    kinds = [kind for each in ENDPOINTS for kind in (each.request, *each.answers)]
    kinds += [Health, Problem]
    references, schemas = schemas_of(kinds)
    reference = dict(zip(kinds, references, strict=True))
    problems = {
        status: {"description": words, "content": _json(reference[Problem])}
        for status, words in PROBLEMS.items()
    }
    paths: dict[str, Any] = {}
    for each in ENDPOINTS:
        found = [reference[kind] for kind in each.answers]
        answer = found[0] if len(found) == 1 else {"anyOf": found}
        body = {**_json(reference[each.request])["application/json"], "example": each.example}
        paths[each.path] = {
            "post": {
                "summary": each.summary,
                "operationId": each.path.strip("/"),
                "requestBody": {"required": True, "content": {"application/json": body}},
                "responses": {
                    "200": {"description": "The answer.", "content": _json(answer)},
                    **problems,
                },
            }
        }
    paths["/health"] = {
        "get": {
            "summary": "Say that the server answers, and what it serves.",
            "operationId": "health",
            "responses": {
                "200": {"description": "It answers.", "content": _json(reference[Health])}
            },
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "multvae_jax",
            "version": multvae_jax.__version__,
            "description": (
                f"At most {limits.k:,} items per list, {limits.history:,} items per history, "
                f"{limits.users:,} histories and {limits.body:,} bytes per request."
            ),
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
