"""The option `--mesh`, which names the devices of a training."""

from __future__ import annotations

from typing import NamedTuple

from multvae_jax.errors import InputError


class MeshSizes(NamedTuple):
    """Numbers of parts of a mesh, as in `multvae_jax.make_mesh`.

    Attributes:
        data: parts of the users of a batch.
        items: parts of the catalogue.
    """

    data: int = 1
    items: int = 1


def parse_mesh(text: str | None) -> MeshSizes:
    """The sizes that the option gives; of an axis that it does not name, 1.

    Raises:
        InputError: it is not of the form data=2,items=4.

    Example:
        >>> parse_mesh("items=4")
        MeshSizes(data=1, items=4)
    """
    sizes: dict[str, int] = {}
    for part in () if text is None else text.split(","):
        name, _, size = (piece.strip() for piece in part.partition("="))
        if name not in MeshSizes._fields or name in sizes or not size.isdecimal() or not int(size):
            raise InputError(
                f"--mesh {text}: give numbers of parts, such as data=2,items=4, data=8 or items=8"
            )
        sizes[name] = int(size)
    return MeshSizes(**sizes)
