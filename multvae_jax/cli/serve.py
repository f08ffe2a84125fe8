"""The command `serve`."""

from __future__ import annotations

import time
from pathlib import Path

import jax

from multvae_jax.config.serve_options import ServeConfig
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.host.optional import import_optional
from multvae_jax.runs.loading import read_run


def serve(config: ServeConfig) -> None:
    """Answer requests with a run, until a signal ends it.

    Raises:
        InputError: a package is missing, the address cannot be used, or the run cannot be read.
    """
    for package in ("starlette", "uvicorn"):
        import_optional(package, "serve", "multvae serve")
    from multvae_jax.serving.app import make_app
    from multvae_jax.serving.messages import Limits
    from multvae_jax.serving.model import ServedModel
    from multvae_jax.serving.server import bound_socket, is_loopback, run_server, url_of

    # Before minutes are spent on a model that nobody could reach.
    with bound_socket(config.host, config.port) as bound:
        run = read_run(Path(config.run), trust_code=config.trust_code).run
        limits = Limits(config.max_k, config.max_history, config.max_users, config.max_body)
        try:
            model = ServedModel(run, limits, config.batch_size)
        except InputError as error:
            raise InputError(f"{config.run}: {error}") from None
        began = time.perf_counter()
        n_programs = model.warm_up()
        seconds = time.perf_counter() - began
        if not is_loopback(bound):
            say(
                f"--host {config.host}: other machines can reach the server, which has no "
                "authentication"
            )

        say(
            f"{config.run}: {len(run.catalogue.ids):,} items, on {jax.devices()[0].device_kind}; "
            f"{n_programs} programs made ready in {seconds:.1f} s"
        )

        def listening() -> None:
            say(f"listening at {url_of(bound)}; {url_of(bound)}/openapi.json describes requests")

        run_server(make_app(model, Path(config.run).resolve().name), bound, listening)
    say("stopped")
