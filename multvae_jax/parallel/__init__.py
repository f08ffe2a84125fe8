"""Several devices: meshes, and where the axes of arrays are placed on them."""

from multvae_jax.parallel.meshes import make_mesh as make_mesh
