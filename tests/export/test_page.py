"""The HTML page: its weights read by NumPy, and itself in a browser where one is found."""

import base64
import json
import os
import re
import shutil
import subprocess
import zlib

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.export import page as module
from multvae_jax.export.directory import SCRIPTS
from multvae_jax.export.page import page, quantized, write_page
from multvae_jax.export.program import OPERATIONS
from tests.builders import randomized
from tests.export.builders import (
    CATALOGUE,
    HISTORIES,
    N_ITEMS,
    K,
    conditional,
    expected,
    make_run,
    run_of,
)

BROWSER = os.environ.get("MULTVAE_BROWSER") or shutil.which("chromium") or shutil.which("chrome")


def part(text, name):
    (found,) = re.findall(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', text, re.DOTALL)
    return found


def decoded(text):
    """The description in a page, and its arrays; those of 8 bits times their scales."""
    meta, data = (
        json.loads(part(text, "meta")),
        zlib.decompress(base64.b64decode(part(text, "data"))),
    )
    arrays = {}
    for name, place in meta["arrays"].items():
        n = int(np.prod(place["shape"]))
        found = np.frombuffer(data, place["kind"], count=n, offset=place["start"])
        arrays[name] = found.reshape(place["shape"])
    for name, place in meta["arrays"].items():
        if "scales" in place:
            axis = 1 if place["by"] == "rows" else 0
            arrays[name] = arrays[name] * np.expand_dims(arrays[place["scales"]], axis)
    return meta, arrays


def compute(steps, arrays, scores, history):
    """The steps by the functions of the script that is written beside the weights."""
    text = (SCRIPTS / "recommend_numpy.py").read_text()
    (table,) = re.findall(r"^OPERATIONS = \{.*?^\}", text, re.DOTALL | re.MULTILINE)
    names = {"np": np}
    exec(table, names)
    values = {**arrays, "history": history}
    for op, output, *inputs in steps:
        function = names["OPERATIONS"].get(op) or getattr(np, op)
        values[output] = np.asarray(function(*(values.get(x, x) for x in inputs)), np.float32)
    return values[scores]


def test_the_weights_of_the_page_rank_as_the_run_does():
    run = make_run("blend")
    text = page(run, "A & B")
    meta, arrays = decoded(text)
    found = compute(meta["steps"], arrays, meta["scores"], HISTORIES)
    items = np.argsort(-np.where(HISTORIES > 0, -np.inf, found), axis=1, kind="stable")[:, :K]
    pairs = zip(items[1:], expected(run)[0][1:], strict=True)
    assert np.mean([len({*one} & {*other}) / K for one, other in pairs]) > 0.9
    assert {place["kind"] for place in meta["arrays"].values() if len(place["shape"]) == 2} == {
        "int8"
    }
    assert meta["titles"] == [CATALOGUE.titles[item] for item in CATALOGUE.ids]
    for axis in ("map_x", "map_y"):
        assert arrays[axis].min() >= 0
        assert arrays[axis].max() <= 1
        assert len(np.unique(arrays[axis])) > N_ITEMS // 2


def test_a_matrix_of_8_bits_is_near_and_zeros_stay():
    matrix = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    matrix[3] = 0
    for each, by, axis in ((matrix, "rows", 1), (matrix.T, "columns", 0)):
        integers, scales, found = quantized(np.ascontiguousarray(each))
        assert found == by
        back = integers * np.expand_dims(scales, axis)
        error = np.abs(back - each).max(axis=axis)
        assert (error <= 0.5001 * scales).all()
        assert np.abs(integers).max() == 127
        assert not back[tuple(np.argwhere(each == 0).T)].any()


def test_nothing_of_a_title_is_read_as_html_and_no_address_is_named():
    text = page(make_run("mult-dae"), "</title><script>alert(1)</script>")
    assert text.count("<script") == text.count("</script>") == 3
    assert "<b>Film" not in text
    assert "&lt;/title&gt;&lt;script&gt;" in text
    assert "default-src 'none'" in text
    without_data = text.replace(part(text, "data"), "").replace(part(text, "meta"), "")
    assert not re.search(r"https?:|src=|url\(|fetch\(|@import", without_data)


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(mv.InputError, match=r"page\.html: already exists"):
        write_page(make_run("mult-dae"), path, "title")
    assert path.read_text() == "mine"


def test_too_many_weights_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST_NUMBERS", 1_000)
    page(make_run("mult-vae"), "small")
    with pytest.raises(mv.InputError, match=r"largest matrix is baseline/item_weights, 30 x 30\. "):
        page(make_run("blend"), "large")


def test_a_page_does_without_a_map_where_there_are_no_vectors():
    meta, arrays = decoded(page(make_run("popularity"), "popular"))
    assert "map_x" not in arrays
    scores = compute(meta["steps"], arrays, meta["scores"], HISTORIES)
    # Whoever has nothing gets what most users of the catalogue have.
    np.testing.assert_array_equal(scores[-1], CATALOGUE.counts)


def test_models_that_a_page_cannot_compute_are_refused():
    with pytest.raises(mv.InputError, match=r"^--page: the operation 'scan'"):
        page(make_run("wmf"), "wmf")
    model = mv.mult_vae((), 4, network=conditional)
    run = run_of(model, randomized(model.init, N_ITEMS))
    with pytest.raises(mv.InputError, match="reads features of users"):
        page(run, "features")


# Runs all histories, and writes what comes out instead of the page; `fetch` shows whether the
# browser would let a request leave.
PROBE = """
<script>
ready.then(async () => {
  const histories = %s, lists = [], times = [];
  for (const history of histories) {
    const start = performance.now();
    show(history);
    times.push(performance.now() - start);
    lists.push(best);
  }
  const sent = await fetch("https://example.com").then(() => true, () => false);
  const rows = document.querySelectorAll("#best li").length;
  document.body.textContent = "RESULT" + JSON.stringify({ lists, times, sent, rows }) + "END";
});
</script>
"""


def browsed(text, histories, folder):
    """What a browser computes for some histories."""
    path = folder / "page.html"
    path.write_text(text + PROBE % json.dumps([np.flatnonzero(row).tolist() for row in histories]))
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={folder}", "--virtual-time-budget=60000", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    (found,) = re.findall("RESULT(.*?)END", done.stdout)
    return json.loads(found)


@pytest.mark.skipif(BROWSER is None, reason="no browser: set MULTVAE_BROWSER to a Chromium")
def test_the_page_recommends_in_a_browser(tmp_path):
    run = make_run("blend")
    found = browsed(page(run, "browser"), HISTORIES, tmp_path)
    for mine, wanted in zip(found["lists"], expected(run)[0], strict=True):
        left = wanted[wanted >= 0]
        assert len({*mine[: len(left)]} & {*left}) >= len(left) - 1
    assert found["rows"] == min(20, N_ITEMS)
    assert not found["sent"]


def test_the_program_and_the_page_have_the_same_operations():
    text = page(make_run("popularity"), "operations")
    tables = re.findall(r"const (?:entrywise|operations) = \{(.*?)\n\};", text, re.DOTALL)
    names = set(re.findall(r"(?:^|[\s,])(\w+)(?=:|,\n)", "\n".join(tables)))
    assert {*OPERATIONS} <= names
