"""Baselines: recommenders that are evaluated in the same way as a model."""

from multvae_jax.baselines.ease import ease as ease
from multvae_jax.baselines.item_knn import item_knn as item_knn
from multvae_jax.baselines.popularity import popularity as popularity
from multvae_jax.baselines.wmf import wmf as wmf
