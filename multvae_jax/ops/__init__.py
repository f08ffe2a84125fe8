"""Operations with hand-written gradients, in forms that each backend compiles well."""

from multvae_jax.ops.blockwise import blockwise as blockwise
from multvae_jax.ops.embedding_bag import embedding_bag as embedding_bag
from multvae_jax.ops.embedding_bag import reference_embedding_bag as reference_embedding_bag
from multvae_jax.ops.logsumexp import logsumexp as logsumexp
from multvae_jax.ops.matmul import add_bias as add_bias
from multvae_jax.ops.matmul import matmul as matmul
from multvae_jax.ops.matmul import matmul_in as matmul_in
from multvae_jax.ops.rows import Rows as Rows
