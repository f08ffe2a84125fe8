"""The map as a picture: where its points and its labels are."""

import re

import numpy as np

import multvae_jax as mv
from multvae_jax.reports import map_picture as module
from multvae_jax.reports.contents import Content


def content(places, counts, titles=None):
    ids = np.array([f"i{number}" for number in range(len(counts))], object)
    catalogue = mv.Catalogue(ids, np.array(counts), titles or {})
    return Content("run", {}, catalogue, {}, 0, places=np.array(places, np.float32))


def points(text):
    found = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)">\s*<title>(\w+) \((.*)\)<', text)
    return {item: (float(x), float(y), float(r), users) for x, y, r, item, users in found}


def test_the_most_popular_items_fill_the_map(monkeypatch):
    """The second component points up; the rarest item, far away, is left out."""
    monkeypatch.setattr(module, "MOST", 3)
    places = [[0.4, 0.5], [0.6, 0.7], [1.0, 0.0], [0.5, 0.6]]
    found = points(module.map_picture(content(places, [1, 9, 0, 4])))
    right, bottom = module.WIDTH - module.EDGE, module.HEIGHT - module.EDGE
    assert {item: point[:2] for item, point in found.items()} == {
        "i0": (module.EDGE, bottom),
        "i1": (right, module.EDGE),
        "i3": (module.WIDTH / 2, module.HEIGHT / 2),
    }
    assert [found[item][3] for item in ("i0", "i1", "i3")] == ["1 user", "9 users", "4 users"]
    assert found["i0"][2] < found["i3"][2] < found["i1"][2]


def test_labels_are_of_popular_items_and_do_not_overlap():
    rng = np.random.default_rng(0)
    titles = {f"i{number}": f"A long title, number {number}" for number in range(200)}
    text = module.map_picture(content(rng.random((200, 2)), np.arange(200), titles))
    labels = re.findall(r'<text x="(\d+)" y="(\d+)" text-anchor="middle">([^<]+)<', text)
    assert 5 <= len(labels) <= module.NAMED
    assert labels[0][2].startswith("A long title, number 19")
    boxes = [(int(x), int(y), 4.2 * len(words)) for x, y, words in labels]
    for number, (x, y, half) in enumerate(boxes):
        assert half <= x <= module.WIDTH - half + 1
        for other_x, other_y, other_half in boxes[:number]:
            assert abs(y - other_y) > 15 or abs(x - other_x) > half + other_half - 1


def test_items_at_one_place_are_drawn():
    assert len(points(module.map_picture(content(np.zeros((4, 2)), [1, 1, 1, 1])))) == 4
