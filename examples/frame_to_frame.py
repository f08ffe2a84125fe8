"""From a frame to a frame: python frame_to_frame.py ratings.csv.

Polars here; pandas and PyArrow work as well.
"""

import sys

import jax
import polars as pl

import multvae_jax as mv


def main(path, epochs=None):
    """Recommend to every user of a frame; the result is a frame of the same library."""
    frame = pl.read_csv(path)
    data = mv.from_frame(frame, user="userId", item="movieId")
    run = mv.fit(jax.random.key(0), mv.mult_vae, mv.hold_out_users(data), epochs=epochs)
    print(mv.Recommender(run).recommend(frame, k=3))


if __name__ == "__main__":
    main(sys.argv[1])
