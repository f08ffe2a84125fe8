"""`multvae estimate`: tables, JSON and wrong input."""

import json

import pytest

from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates

GIVEN = ["estimate", "--users", "400", "--items", "3000", "--clicks", "9000"]
SMALL = ["--hidden", "16", "--latent", "8", "--epochs", "5", "--held-out", "40"]


def test_an_estimate_for_devices_has_memory_work_and_time(capsys):
    assert main([*GIVEN, *SMALL, "--device", "h100", "tpu-v5e", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["users"], found["items"], found["batch_size"], found["epochs"]) == (
        320, 3000, 32, 5,
    )  # fmt: skip
    h100, tpu = found["devices"]["h100"], found["devices"]["tpu-v5e"]
    n_params = 2 * 3000 * 16 + 3000 + 16 + 16 * 16 + 16 + 8 * 16 + 16
    assert h100["memory"]["params"] == 4 * n_params
    assert h100["memory"]["opt_state"] == pytest.approx(2 * 4 * n_params, abs=8)
    # The gradients and the logits are among the temporaries.
    assert h100["memory"]["temporaries"] > 4 * n_params
    # Three products with the decoder's kernel, and little else at these widths.
    assert h100["flops"] == pytest.approx(6 * 32 * 16 * 3000, rel=0.1)
    assert h100["updates"] == 10
    assert h100["fits"]
    assert tpu["seconds_of_update"] > h100["seconds_of_update"]
    epoch = 10 * h100["seconds_of_update"] + h100["seconds_of_validation"]
    assert h100["seconds_of_run"] == pytest.approx(5 * epoch)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--users", "5"], "--items and --clicks: missing"),
        (["--users", "5", "--items", "4", "--clicks", "50"], "--clicks 50: 5 users with 1 to 4"),
        ([*GIVEN[1:], "--data", "x.csv"], "stand for data; give no other data"),
        ([*GIVEN[1:], "--device", "h1000"], "--device h1000: is not known; did you mean h100"),
        ([*GIVEN[1:], "--device"], "--device: give at least one"),
        ([*GIVEN[1:], "--mesh", "rows=2"], "--mesh rows=2: give numbers of parts"),
        ([*GIVEN[1:], "--model", "auto"], "--model auto: tries several models"),
        ([*GIVEN[1:], "--model", "ease"], "--model ease: is a baseline"),
        ([*GIVEN[1:], "--held-out", "300"], "300 test users leave none to train on"),
        ([*GIVEN[1:], "--latent", "0"], "--latent"),
        (["--data", "no/such/file.csv"], "no/such/file.csv"),
    ],
)
def test_wrong_input_is_one_line(capsys, words, message):
    assert main(["estimate", "--device", "h100", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    last = shown.err.splitlines()[-1]
    assert last.startswith("multvae: ")
    assert message in last
