"""`python -m multvae_jax` is `multvae`."""

import sys

from multvae_jax.cli.main import main

sys.exit(main())
