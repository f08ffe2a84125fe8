"""Models: the autoencoders of the paper, autoencoders of other parts, and blends."""

from multvae_jax.models.autoencoders import NetworkFactory as NetworkFactory
from multvae_jax.models.autoencoders import dae as dae
from multvae_jax.models.autoencoders import mult_dae as mult_dae
from multvae_jax.models.autoencoders import mult_vae as mult_vae
from multvae_jax.models.autoencoders import vae as vae
from multvae_jax.models.blend import Blend as Blend
from multvae_jax.models.blend import blend_of as blend_of
from multvae_jax.models.blend import standardize as standardize
from multvae_jax.models.model import Model as Model
from multvae_jax.models.model import ModelOptimizer as ModelOptimizer
from multvae_jax.models.model import divided_scorer as divided_scorer
from multvae_jax.models.model import scorer as scorer
