"""The readers as Python calls them: their errors and notes name arguments, and not options.

The commands take the same functions from the modules that define them, with the names of options.
"""

from multvae_jax.data import (
    attributes,
    interactions,
    item_features,
    item_vectors,
    split_reader,
    user_features,
)
from multvae_jax.data.spelling import in_python

read_given_split = in_python(split_reader.read_given_split)
read_held_out_split = in_python(split_reader.read_held_out_split)
read_histories = in_python(interactions.read_histories)
read_interactions = in_python(interactions.read_interactions)
read_item_features = in_python(item_features.read_item_features)
read_item_vectors = in_python(item_vectors.read_item_vectors)
read_user_columns = in_python(attributes.read_user_columns)
read_user_features = in_python(user_features.read_user_features)
