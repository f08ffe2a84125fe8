"""Splits of interactions into training, validation and test data, one file per kind."""

from multvae_jax.data.splits.catalogue import over_catalogue as over_catalogue
from multvae_jax.data.splits.everyone import train_on_all as train_on_all
from multvae_jax.data.splits.given import given_split as given_split
from multvae_jax.data.splits.interactions import MOST_VALIDATED as MOST_VALIDATED
from multvae_jax.data.splits.interactions import hold_out_interactions as hold_out_interactions
from multvae_jax.data.splits.last import hold_out_last as hold_out_last
from multvae_jax.data.splits.last import leave_one_out as leave_one_out
from multvae_jax.data.splits.parts import FEWEST_TO_HOLD_OUT as FEWEST_TO_HOLD_OUT
from multvae_jax.data.splits.parts import PAPER_SEED as PAPER_SEED
from multvae_jax.data.splits.parts import draw_targets as draw_targets
from multvae_jax.data.splits.parts import held_out_count as held_out_count
from multvae_jax.data.splits.time import hold_out_time as hold_out_time
from multvae_jax.data.splits.users import check_fold_in as check_fold_in
from multvae_jax.data.splits.users import hold_out_all as hold_out_all
from multvae_jax.data.splits.users import hold_out_users as hold_out_users
from multvae_jax.data.splits.users import user_fold as user_fold
from multvae_jax.data.splits.users import user_folds as user_folds
