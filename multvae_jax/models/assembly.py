"""A model assembled from its parts, which are checked first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import NotNegative, Rate, Size, check_function, check_number
from multvae_jax.checks.signatures import cannot_take, takes_positional
from multvae_jax.errors import InputError
from multvae_jax.keys import split_key
from multvae_jax.likelihoods import Likelihood
from multvae_jax.mlp import as_widths
from multvae_jax.models.model import Model
from multvae_jax.models.parts import check_constants, check_part
from multvae_jax.networks import Head, Network
from multvae_jax.objectives import Loss, Objective, normalize
from multvae_jax.posteriors import as_posterior
from multvae_jax.priors import Prior
from multvae_jax.types import Params


def made_part(part: Any) -> Any:
    """A part of a model, which its factory makes if that needs no arguments.

    Example:
        >>> factory = mv.likelihoods.multinomial
        >>> made_part(factory)._fields == factory()._fields
        True
    """
    is_factory = callable(part) and not isinstance(part, type) and takes_positional(part, 0)
    return part() if is_factory else part


def network_of(network: Callable[..., Any], *shape: Any) -> Any:
    """The network that a function makes of widths, dimensions of z and perhaps an activation.

    Raises:
        InputError: the function cannot be called with them.
    """
    if cannot_take(network, len(shape)):
        name = getattr(network, "__name__", type(network).__name__)
        wanted = ("hidden", "latent", "activation")[: len(shape)]
        raise InputError(f"network: {name} must take ({', '.join(wanted)})")
    return network(*shape)


def checked_widths(
    hidden: Any, latent: Any, activation: Any, network: Any, objective: Any
) -> tuple[int, ...]:
    """The widths of the layers, of which a single one may be given as a number.

    Raises:
        InputError: a width is out of bounds, or one of the others is not a function.
    """
    widths = as_widths(hidden)
    check_number("latent", latent, Size)
    check_function("activation", activation, "a function such as jax.nn.tanh")
    if isinstance(network, Network):
        raise InputError(
            "network: a Network of its own shape; use a function of (hidden, latent, activation), "
            "or vae(network, likelihood, prior)"
        )
    check_function("network", network, "a function such as variational_mlp")
    check_function("objective", objective, "a function such as negative_elbo")
    return widths


def check_parts(network: Any, parts: Mapping[str, Any], dropout: Any, weight_penalty: Any) -> None:
    """Refuse parts that are not values of their kind, and numbers out of their bounds."""
    check_part("network", network, Network)
    for name, part in parts.items():
        check_part(name, part, _PARTS[name])
    check_number("dropout", dropout, Rate)
    check_number("weight_penalty", weight_penalty, NotNegative | None)


_PARTS = {"likelihood": Likelihood, "prior": Prior}


def loss_of(objective: Any, network: Network, *parts: Likelihood | Prior) -> Loss:
    """The loss of an objective, from the network and the other parts.

    The constants of the parts reach a loss in `hyper`. The objectives of the package look nowhere
    else and get parts without them, so that their loss is the same for all values.
    """
    check_function("objective", objective, "a function such as negative_elbo")
    names = [f"the {type(part).__name__.lower()}" for part in parts]
    function = objective
    while isinstance(function, partial):
        function = function.func
    if (getattr(function, "__module__", None) or "").startswith("multvae_jax."):
        parts = tuple(part._replace(constants={}) for part in parts)
    if not takes_positional(objective, 1 + len(parts)):
        raise InputError(
            f"objective: it must be called with the network and {' and '.join(names)}, and return "
            "the loss, a function of (params, hyper, batch, key, step)"
        )
    loss = objective(network, *parts)
    if isinstance(loss, Objective):
        check_function(
            "objective: its loss", loss.loss, "a function of (params, hyper, batch, key, step)"
        )
        check_constants("objective: its constants", loss.constants)
    check_function("objective: its result", loss, "a function of (params, hyper, batch, key, step)")
    return loss


def model_of_parts(
    network: Any,
    parts: Mapping[str, Any],
    objective: Any,
    z_of: Callable[[Any], Any],
    dropout: Any,
    weight_penalty: Any,
) -> Model:
    """A model of a network and the other parts of its loss; `z_of` turns a code into z to score.

    Whatever users pass reaches it unchecked.

    Raises:
        InputError: a part is not a value of its kind, a number is out of bounds, or the objective
            cannot be called with the parts or returns something other than a loss.
    """
    check_parts(network, parts, dropout, weight_penalty)
    loss = loss_of(objective, network, *parts.values())
    # The functions alone, without constants: models of other numbers are equal by value.
    inits = {"network": network.init, **{name: part.init for name, part in parts.items()}}

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        keys = split_key(key, len(inits))
        return {
            name: init_of(own, n_items)
            for own, (name, init_of) in zip(keys, inits.items(), strict=True)
        }

    def score(params: Params, batch: Batch) -> Array:
        code = network.encode(params["network"], normalize(batch))
        return network.decode(params["network"], z_of(code))

    last_layer = network.head

    def head(params: Params, batch: Batch) -> Head:
        assert last_layer is not None
        code = network.encode(params["network"], normalize(batch))
        return last_layer(params["network"], z_of(code))

    def posterior(params: Params, batch: Batch) -> Any:
        return as_posterior(network.encode(params["network"], normalize(batch)))

    hyper = {"dropout": dropout, **{name: part.constants for name, part in parts.items()}}
    if weight_penalty is not None:
        hyper["weight_penalty"] = weight_penalty
    if isinstance(loss, Objective):
        hyper["objective"] = dict(loss.constants)
    last = None if last_layer is None else head
    return Model(init, loss, score, hyper, head=last, posterior=posterior)
