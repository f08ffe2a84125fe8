"""Messages of readers that are called in Python name arguments, and not options."""

import dataclasses
import inspect
import re
from pathlib import Path

import polars as pl
import pytest

import multvae_jax as mv
from multvae_jax.data import interactions, spelling
from multvae_jax.data.in_memory import frame_histories
from multvae_jax.data.readers.schema import Columns
from tests.builders import checkerboard

FUNCTIONS = [
    *(mv.read_interactions, mv.read_given_split, mv.data.read_item_features, mv.load_split),
    *(mv.read_held_out_split, mv.data.read_user_features),
]
ARGUMENTS = {name for function in FUNCTIONS for name in inspect.signature(function).parameters}
DIALECT = {field.name for field in dataclasses.fields(mv.Dialect)}
SOURCES = sorted(Path(interactions.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_option_in_a_message_of_a_reader_is_an_argument(path):
    for line in path.read_text().splitlines():
        if not re.search(r'"[^"]*--[a-z]', line) or path.stem == "spelling":
            continue
        # The role of a count is put in when the message is made.
        for option in re.findall(r"--[a-z-]+[a-z]", line.replace("{role}", "user")):
            said = re.fullmatch(r"(?:dialect=Dialect\()?(\w+)=.*", spelling.as_arguments(option))
            assert said is not None, line
            # The histories of `multvae recommend --stream` have no reader in Python.
            assert said[1] in ARGUMENTS | DIALECT | {"history"}, line


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        ("a,b\n1,2\n", mv.read_interactions, "name one with user=; dialect=Dialect(header='no')"),
        ("a,b\n1,2\n", mv.read_histories, "name one with user="),
        ("1,2,3,4,5,6\n", mv.read_interactions, "give user= and item= by number"),
        ('user,item\n1,"2\n', mv.read_interactions, "dialect=Dialect(quote='none') reads quotes"),
        (
            "item,title\n1,A\n",
            lambda path: mv.data.read_item_features(path, checkerboard().catalogue),
            "name one with column=",
        ),
        (
            "a,b\n1,2\n",
            lambda path: mv.read_lists(path, checkerboard().catalogue),
            "name one with columns=Columns(user=...)",
        ),
    ],
)
def test_errors(text, read, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(mv.InputError) as caught:
        read(path)
    assert message in str(caught.value)
    assert "--" not in str(caught.value)


def test_notes_and_the_commands_own_words(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{u},{(u + i) % 16},{1 + (u + i) % 5}" for u in range(8) for i in range(12)]
    path.write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    told, said = (
        read(path, min_rating=4, min_user_count=1).notes
        for read in (mv.read_interactions, interactions.read_interactions)
    )
    assert len(told) == len(said) > 0
    assert any("(min_rating=)" in note for note in told)
    assert any("(--min-rating)" in note for note in said)
    assert not any("--" in note for note in told)
    test = tmp_path / "test.csv"
    test.write_text(
        "user,item,rating\n" + "".join(f"{user},{(user + 12) % 16},5\n" for user in range(8))
    )
    parts = mv.read_given_split(path, None, test, min_rating=4)
    assert parts[1] is None
    assert not any("--" in note for part in parts[::2] for note in part.notes)


def test_a_frame_of_histories_names_the_arguments_of_recommend():
    with pytest.raises(mv.InputError, match="name one with user_column="):
        frame_histories(pl.DataFrame({"a": [1]}), checkerboard().catalogue, Columns())
