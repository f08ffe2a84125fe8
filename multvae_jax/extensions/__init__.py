"""Autoencoders of other papers, one file each, from the parts of the package."""

from multvae_jax.extensions.recvae import composite_elbo as composite_elbo
from multvae_jax.extensions.recvae import densely_connected_mlp as densely_connected_mlp
from multvae_jax.extensions.turns import in_turns as in_turns
from multvae_jax.extensions.vamp import vamp_elbo as vamp_elbo
