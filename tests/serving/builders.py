"""Small runs behind the application, and requests that reach it without a network."""

import asyncio
import contextlib
import json

import httpx
import numpy as np

import multvae_jax as mv
from multvae_jax.data.types import Catalogue
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from multvae_jax.runs import Run
from multvae_jax.serving.app import make_app
from multvae_jax.serving.messages import Limits
from multvae_jax.serving.model import ServedModel
from tests.builders import randomized
from tests.export.builders import reads_features

N_ITEMS = 30
LIMITS = Limits(k=10, history=20, users=6, body=2_000)
CATALOGUE = Catalogue(
    np.array([f"i{item}" for item in range(N_ITEMS)], object),
    np.random.default_rng(0).permutation(N_ITEMS),
    {f"i{item}": f"Film {item}" for item in range(0, N_ITEMS, 2)},
)
ENCODER = UserEncoder((FeatureColumn("sex", ("F", "M")), FeatureColumn("age", (), 40.0, 10.0)))


def make_run():
    model = mv.mult_vae((8,), 4)
    return Run(model, randomized(model.init, N_ITEMS), CATALOGUE, 1, None, [])


def run_with_features():
    rng = np.random.default_rng(1)
    shapes = {"items": (N_ITEMS, N_ITEMS), "of_user": (3, N_ITEMS)}
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    model = mv.mult_vae((8,), 4)._replace(score=reads_features, head=None)
    return Run(model, params, CATALOGUE, 1, None, [], user_encoder=ENCODER)


def served(run, batch_size=8):
    return ServedModel(run, LIMITS, batch_size)


@contextlib.asynccontextmanager
async def client_of(model):
    app = make_app(model, "my-run")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


def posted(model, *requests):
    """Status and content of the answers to some requests, all of which are sent at once.

    Args:
        model: the model behind the application.
        requests: pairs of a path, and the body as bytes or as what becomes JSON.
    """

    async def post_all():
        async with client_of(model) as client:
            contents = [
                body if isinstance(body, bytes) else json.dumps(body).encode()
                for _, body in requests
            ]
            posts = [
                client.post(path, content=content)
                for (path, _), content in zip(requests, contents, strict=True)
            ]
            return await asyncio.gather(*posts)

    return [(answer.status_code, answer.json()) for answer in asyncio.run(post_all())]
