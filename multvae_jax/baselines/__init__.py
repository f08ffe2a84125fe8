"""Baselines: recommenders that are evaluated in the same way as a model."""

from collections.abc import Mapping

from multvae_jax.baselines.baseline import Baseline as Baseline
from multvae_jax.baselines.baseline import with_constants as with_constants
from multvae_jax.baselines.ease import EASE as EASE
from multvae_jax.baselines.ease import ease as ease
from multvae_jax.baselines.edlae import EDLAE as EDLAE
from multvae_jax.baselines.edlae import edlae as edlae
from multvae_jax.baselines.item_knn import ITEM_KNN as ITEM_KNN
from multvae_jax.baselines.item_knn import item_knn as item_knn
from multvae_jax.baselines.linear_autoencoder import LINEAR_AUTOENCODER as LINEAR_AUTOENCODER
from multvae_jax.baselines.linear_autoencoder import linear_autoencoder as linear_autoencoder
from multvae_jax.baselines.popularity import POPULARITY as POPULARITY
from multvae_jax.baselines.popularity import popularity as popularity
from multvae_jax.baselines.rp3beta import RP3BETA as RP3BETA
from multvae_jax.baselines.rp3beta import rp3beta as rp3beta
from multvae_jax.baselines.slim import SLIM as SLIM
from multvae_jax.baselines.slim import slim as slim
from multvae_jax.baselines.wmf import WMF as WMF
from multvae_jax.baselines.wmf import wmf as wmf

BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (*(POPULARITY, EASE, EDLAE, SLIM, LINEAR_AUTOENCODER, ITEM_KNN, RP3BETA, WMF),)
}
"""The baselines by name."""
