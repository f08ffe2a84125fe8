"""Several devices and processes: meshes, and the placement of arrays on them."""

from multvae_jax.parallel.meshes import make_mesh as make_mesh
