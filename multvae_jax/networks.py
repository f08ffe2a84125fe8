"""Networks: an encoder and a decoder as pure functions over nested dicts of parameters.

`multvae_jax.mlp` has the networks of the paper; `from_functions` and `from_nnx` make networks from
plain functions and from flax nnx modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from multvae_jax.batching import Batch, dense_rows
from multvae_jax.posteriors import Posterior as Posterior
from multvae_jax.posteriors import as_posterior, is_code_of_arrays
from multvae_jax.types import Params

Activation = Callable[[Array], Array]


class Head(NamedTuple):
    """The last layer of a decoder, not yet applied, so that it can be applied to blocks of items.

    Attributes:
        h: input of the layer, `users x features`.
        columns: parameters of the layer, arrays whose last axis is the items.
        logits: `(h, columns) -> users x items`, for all columns or any block of them.
    """

    h: Array
    columns: Any
    logits: Callable[[Array, Any], Array]


def chosen_logits(head: Head, items: Int[Array, "*any"], rows: Array | None = None) -> Array:
    """The logits of some items, without computing those of the others.

    Args:
        head: the last layer of a decoder, `network.head(params, z)`.
        items: indices of the items: `m`, the same for all users, or `users x m`.
        rows: with `items` of `n x m`, the user of each row, between 0 and the number of users.

    Returns:
        `users x m`, or `n x m`.

    Example:
        >>> network = mv.mlp.variational_mlp(hidden=(), latent=8)
        >>> head = network.head(network.init(jax.random.key(0), 30), jnp.zeros((2, 8)))
        >>> chosen_logits(head, jnp.array([4, 7, 9])).shape
        (2, 3)
    """

    def of_items(h: Array, items: Array) -> Array:
        columns = jax.tree.map(lambda leaf: leaf.at[..., items].get(mode="clip"), head.columns)
        return head.logits(h, columns)

    if items.ndim == 1:
        return of_items(head.h, items)
    h = head.h if rows is None else head.h.at[rows].get(mode="clip")
    return jax.vmap(lambda h, items: of_items(h[None], items)[0])(h, items)


class Network(NamedTuple):
    """An encoder and a decoder.

    Attributes:
        init: `(key, n_items) -> params`.
        encode: `(params, batch) -> code`: a posterior in a variational autoencoder, such as
            `Posterior(mu, logvar)` or another of `multvae_jax.posteriors`; an array
            `users x latent` in a denoising one. The batch is already normalized.
        decode: `(params, z) -> logits`, from `users x latent` to `users x items`; z has the
            shapes of the posterior's samples.
        head: `(params, z) -> Head`, the decoder up to its last layer; None if the last layer
            cannot be separated.
    """

    init: Callable[[PRNGKeyArray, int], Params]
    encode: Callable[[Params, Batch], Any]
    decode: Callable[[Params, Array], Array]
    head: Callable[[Params, Array], Head] | None = None


Init = Callable[[PRNGKeyArray, int], Params]

SMALL = 2
"""A number of items to compare shapes at."""


def _n_items_of(init: Init, params: Params) -> int:
    """Size of the catalogue that parameters were made for.

    It is read off a dimension that `init` makes larger by one for a catalogue larger by one.
    """

    def shapes(n_items: int) -> list[tuple[int, ...]]:
        made = jax.eval_shape(lambda key: init(key, n_items), jax.random.key(0))
        return [leaf.shape for leaf in jax.tree.leaves(made)]

    sizes = [leaf.shape for leaf in jax.tree.leaves(params)]
    for here, small, large in zip(sizes, shapes(SMALL), shapes(SMALL + 1), strict=True):
        for size, one, other in zip(here, small, large, strict=True):
            if other == one + 1:
                return size - one + SMALL
    raise ValueError("no parameter has a dimension that grows with the number of items")


def _as_code(code: Any) -> Any:
    """Turn a pair (mu, logvar) into a posterior."""
    return code if is_code_of_arrays(code) else as_posterior(code)


def from_functions(
    init: Init,
    encode: Callable[[Params, Float[Array, "users items"]], Any],
    decode: Callable[[Params, Float[Array, "users latent"]], Float[Array, "users items"]],
    head: Callable[[Params, Float[Array, "users latent"]], Head] | None = None,
) -> Network:
    """Make a network from plain functions; the encoder takes dense rows, not a ragged batch.

    It costs a dense users x items matrix of the batch in every update. A `Network` whose `encode`
    calls `multvae_jax.ops.embedding_bag(kernel, batch)` instead of `x @ kernel` avoids it.

    Args:
        init: `(key, n_items) -> params`, nested dicts of arrays.
        encode: `(params, x) -> (mu, logvar)` or another posterior, or an array `users x latent` for
            a denoising autoencoder. The rows are already normalized.
        decode: `(params, z) -> logits`.
        head: `(params, z) -> Head`, as in `Network`.

    Example:
        >>> def init(key, n_items):
        ...     return {"items": 0.1 * jax.random.normal(key, (n_items, 8))}
        >>> def encode(params, x):
        ...     h = x @ params["items"]
        ...     return h, h - 1.0
        >>> network = from_functions(init, encode, lambda params, z: z @ params["items"].T)
        >>> model = mv.vae(network, mv.likelihoods.multinomial(), mv.priors.standard_normal())
    """

    def encode_ragged(params: Params, batch: Batch) -> Any:
        return _as_code(encode(params, dense_rows(batch)))

    return Network(init, encode_ragged, decode, head)


def from_nnx(make: Callable[[int, Any], Any]) -> Network:
    """Make a network from a flax nnx module with the methods `encode(batch)` and `decode(z)`.

    All state of the module must be `nnx.Param`: a network is a pure function, which can neither
    count the calls of a dropout layer nor update a running mean.

    Args:
        make: `(n_items, rngs) -> module`, such as the class of the module. `encode` takes the
            ragged batch, for `embedding_bag` or `dense_rows`, and returns `(mu, logvar)`, another
            posterior, or an array `users x latent` for a denoising autoencoder.

    Example:
        >>> from flax import nnx
        >>> class Small(nnx.Module):
        ...     def __init__(self, n_items, rngs):
        ...         self.items = nnx.Param(0.01 * rngs.params.normal((n_items, 8)))
        ...     def encode(self, batch):
        ...         h = mv.ops.embedding_bag(self.items[...], batch)
        ...         return h, h - 1.0
        ...     def decode(self, z):
        ...         return z @ self.items[...].T
        >>> network = from_nnx(Small)
        >>> network.decode(network.init(jax.random.key(0), 30), jnp.zeros((1, 8))).shape
        (1, 30)
    """
    from flax import nnx

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        params, others = nnx.state(make(n_items, nnx.Rngs(key)), nnx.Param, ...)
        if others:
            names = ", ".join(".".join(map(str, path)) for path, _ in nnx.to_flat_state(others))
            raise TypeError(f"from_nnx: the module keeps more than parameters: {names}")
        return _with_string_keys(nnx.to_pure_dict(params))

    def module(params: Params, n_items: int) -> Any:
        abstract = nnx.eval_shape(lambda: make(n_items, nnx.Rngs(0)))
        structure, state = nnx.split(abstract)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(structure, state)

    def encode(params: Params, batch: Batch) -> Any:
        return _as_code(module(params, batch.n_items).encode(batch))

    def decode(params: Params, z: Array) -> Array:
        logits: Array = module(params, _n_items_of(init, params)).decode(z)
        return logits

    return Network(init, encode, decode)


def _with_string_keys(tree: Any) -> Any:
    # A list of layers has integer keys; orbax and `jax.export` need strings.
    if not isinstance(tree, dict):
        return tree
    return {str(name): _with_string_keys(part) for name, part in tree.items()}
