"""Training: the state, an update of it, and an epoch of updates as one program."""

from multvae_jax.training.fit_state import FitState as FitState
from multvae_jax.training.updates import TrainState as TrainState
from multvae_jax.training.updates import init_state as init_state
from multvae_jax.training.updates import make_epoch as make_epoch
from multvae_jax.training.updates import make_train_step as make_train_step
from multvae_jax.training.updates import optimizer_of as optimizer_of
