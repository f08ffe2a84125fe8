"""Histories on the device, ragged batches of them, and the batches of an epoch."""

from multvae_jax.batching.batches import Batch as Batch
from multvae_jax.batching.batches import dense_rows as dense_rows
from multvae_jax.batching.batches import empty_batch as empty_batch
from multvae_jax.batching.batches import sum_per_user as sum_per_user
from multvae_jax.batching.batches import totals as totals
from multvae_jax.batching.dealing import deal_to_devices as deal_to_devices
from multvae_jax.batching.devices import take as take
from multvae_jax.batching.devices import to_device as to_device
from multvae_jax.batching.epochs import SPARE_ROOM as SPARE_ROOM
from multvae_jax.batching.epochs import EpochPlan as EpochPlan
from multvae_jax.batching.epochs import capacity_of as capacity_of
from multvae_jax.batching.epochs import divided_order as divided_order
from multvae_jax.batching.epochs import parts_of_epoch as parts_of_epoch
from multvae_jax.batching.epochs import plan_epoch as plan_epoch
from multvae_jax.batching.epochs import plan_of_chunks as plan_of_chunks
from multvae_jax.batching.epochs import sequential_order as sequential_order
from multvae_jax.batching.epochs import shuffled_order as shuffled_order
from multvae_jax.batching.histories import CHUNK_WIDTH as CHUNK_WIDTH
from multvae_jax.batching.histories import Histories as Histories
from multvae_jax.batching.histories import chunk_counts as chunk_counts
