"""Features of users: from columns to numbers, and beside the histories of every kind of split."""

import dataclasses
from functools import partial

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.splits import over_catalogue, user_folds
from tests.builders import write_ratings
from tests.data.builders import write

TABLE = "user,sex,age\na,F,10\nb,M,\nc,F,30\nd,,20\n"


def test_categories_and_numbers_become_entries(tmp_path):
    path = write(tmp_path, "users.csv", TABLE)
    found = mv.data.read_user_features(path, ["sex", "age:number"])
    assert found.encoder.names == ("sex=F", "sex=M", "age")
    scale = np.std([10, 20, 30])
    expected = [[1, 0, -10 / scale], [0, 1, 0], [1, 0, 10 / scale], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found.of(["a", "b", "c", "d", "nobody"]), expected, rtol=1e-6)
    assert found.notes == (f"{path}: sex has 2 categories; age is a number (mean 20)",)
    new = found.encoder.encode([{"age": 40, "sex": None}, {"sex": "M"}, {}])
    np.testing.assert_allclose(new, [[0, 0, 20 / scale], [0, 1, 0], [0, 0, 0]], rtol=1e-6)


def test_few_numbers_are_codes_and_many_are_numbers(tmp_path):
    rows = [f"u{n},{n % 20},{n}\n" for n in range(40)]
    path = write(tmp_path, "users.csv", "user,job,age\n" + "".join(rows))
    encoder = mv.data.read_user_features(path, ["job", "age"]).encoder
    job, age = encoder.columns
    assert job.categories[:3] == ("0", "1", "2")
    assert (len(job.categories), age.categories) == (20, ())
    assert (age.mean, age.scale) == (19.5, pytest.approx(np.std(np.arange(40))))
    as_categories = mv.data.read_user_features(path, ["age:category"]).encoder
    assert as_categories.width == 40


def test_another_file_is_read_as_the_first_and_unknown_values_are_noted(tmp_path):
    encoder = mv.data.read_user_features(
        write(tmp_path, "users.csv", TABLE), ["sex", "age:number"]
    ).encoder
    path = write(tmp_path, "new.csv", "user,sex,age\nx,D,10\ny,M,10\n")
    found = mv.data.read_user_features(path, ["sex", "age"], encoder)
    np.testing.assert_allclose(found.values[:, :2], [[0, 0], [0, 1]])
    assert found.notes[-1].startswith(f"{path}: sex: 1 users have a value that is unknown")
    with pytest.raises(mv.InputError, match="the columns are sex, but the model was trained with"):
        mv.data.read_user_features(path, ["sex"], encoder)


def features_of(tmp_path):
    return mv.data.read_user_features(write(tmp_path, "u.csv", TABLE), ["sex", "age:number"])


PROBLEMS = {
    "users[0]: no column 'sx'; did you mean sex?": lambda f, t: f.encoder.encode([{"sx": "F"}]),
    "users[1]: sex 'X'; the values are F, M": lambda f, t: f.encoder.encode([{}, {"sex": "X"}]),
    "users[0]: age 'old'; the values are numbers": lambda f, t: f.encoder.encode([{"age": "old"}]),
    "column 'sex': 'F' is not a number": lambda f, t: mv.data.read_user_features(
        write(t, "p.csv", TABLE), ["sex:number"]
    ),
    "give the columns of the features as a list": lambda f, t: mv.data.read_user_features(
        write(t, "p.csv", TABLE), "sex"
    ),
    "no column 'salary'; the columns are": lambda f, t: mv.data.read_user_features(
        write(t, "p.csv", TABLE), ["salary"]
    ),
}


@pytest.mark.parametrize("message", PROBLEMS)
def test_what_cannot_be_encoded_is_one_line(message, tmp_path):
    with pytest.raises(mv.InputError) as caught:
        PROBLEMS[message](features_of(tmp_path), tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- beside histories ---------------------------------------------------------------------------

SPLITS = {
    "users": partial(mv.hold_out_users, validation=5, test=6),
    "fold": lambda data: list(user_folds(data, 3))[1],
    "last": mv.hold_out_last,
    "time": partial(mv.hold_out_time, test=0.2, validation=0.2),
    "interactions": lambda data: mv.hold_out_interactions(mv.leave_one_out(data), most_users=7),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = write_ratings(tmp_path_factory.mktemp("data") / "ratings.csv")
    data = mv.read_interactions(path)
    times = np.random.default_rng(0).random(data.users.size)
    return dataclasses.replace(data, times=times)


@pytest.mark.parametrize("kind", SPLITS)
def test_each_user_keeps_the_own_features_in_every_split(kind, data):
    of = {user: [float(user), -1.0] for user in data.user_ids}
    split = mv.with_user_features(SPLITS[kind](data), of)
    parts = [part for part in (split, split.validation, split.test) if part is not None]
    assert len(parts) >= 2
    for part in parts:
        np.testing.assert_array_equal(part.user_features[:, 0], part.user_ids.astype(float))


def test_splits_that_are_made_of_others_keep_the_features(data):
    of = {user: float(user) for user in data.user_ids}
    split = mv.with_user_features(mv.leave_one_out(data), of)
    derived = mv.hold_out_interactions(dataclasses.replace(split, validation=None), most_users=7)
    moved = over_catalogue(split.test, split.catalogue.ids, split.catalogue)
    picked = split.test.rows(np.array([4, 1]))
    for users in (derived, derived.validation, moved, picked):
        np.testing.assert_array_equal(users.user_features, users.user_ids.astype(float))
    assert len(derived.validation.user_ids) == 7


def test_a_file_is_attached_with_a_note_on_users_without_a_row(data, tmp_path):
    rows = "".join(f"{user},{'FM'[int(user) % 2]}\n" for user in data.user_ids[3:])
    features = mv.data.read_user_features(
        write(tmp_path, "users.csv", f"user,sex\n{rows}"), ["sex"]
    )
    split = mv.with_user_features(mv.leave_one_out(data), features)
    assert split.user_encoder == features.encoder
    assert split.notes[-1].endswith(
        f"3 of {len(data.user_ids)} users have no row; their features are 0"
    )
    assert split.user_features[:3].sum() == 0
    assert (split.user_features[3:].sum(axis=1) == 1).all()
    strangers = dataclasses.replace(features, row_of={"who": 0})
    with pytest.raises(mv.InputError, match=r"none of the \d+ users has a row"):
        mv.with_user_features(mv.leave_one_out(data), strangers)


def test_arrays_of_other_users_are_refused(data):
    split = mv.leave_one_out(data)
    of = {user: [1.0] for user in split.user_ids[1:]}
    with pytest.raises(mv.InputError, match=r"1 of 40 users have none, such as '1'"):
        mv.with_user_features(split, of)
    for odd, message in ((np.inf, "of '1' are not all finite"), ("F", "not arrays of numbers")):
        with pytest.raises(mv.InputError, match=message):
            mv.with_user_features(split, {**of, split.user_ids[0]: [odd]})
    with pytest.raises(mv.InputError, match=r"an array of shape \(3, 2\) for 40 users"):
        dataclasses.replace(split, user_features=np.zeros((3, 2)))
    with pytest.raises(mv.InputError, match="neither an array nor a dict of arrays"):
        dataclasses.replace(split.test, user_features={"age": [1, 2]})
