"""What the application answers, and what it refuses."""

import asyncio
import re
import threading

import msgspec
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.errors import InputError
from multvae_jax.serving.app import make_app
from multvae_jax.serving.endpoints import ENDPOINTS
from multvae_jax.serving.openapi import document
from multvae_jax.types import as_scorer
from tests.builders import counted
from tests.serving.builders import (
    CATALOGUE,
    ENCODER,
    LIMITS,
    N_ITEMS,
    client_of,
    make_run,
    posted,
    run_with_features,
    served,
)

SEEN = ["i0", "i3", "i8", "i9"]


@pytest.fixture(scope="module")
def run():
    return make_run()


@pytest.fixture(scope="module")
def model(run):
    return served(run)


@pytest.fixture(scope="module")
def with_features():
    return served(run_with_features())


def recommended(found):
    """A `Recommendation` as the server writes it."""
    return {
        "items": [
            {"item": item, "title": title, "score": pytest.approx(score, rel=1e-4, abs=1e-5)}
            for item, title, score in zip(found.items, found.titles, found.scores, strict=True)
        ],
        "unknown": found.unknown,
        "from_popularity": found.from_popularity,
    }


def random_requests(rng, n):
    """Histories of all lengths, with unknown items, and with options of every kind."""
    for _ in range(n):
        drawn = [f"i{item}" for item in rng.permutation(N_ITEMS)]
        history = drawn[: rng.integers(0, 12)]
        request = {"history": history, "k": int(rng.integers(1, 11))}
        if history and rng.random() < 0.3:
            history += ["nothing", "nowhere"]
        if rng.random() < 0.3:
            request["exclude"] = drawn[:5]
        if rng.random() < 0.3:
            request["candidates"] = drawn[3:20]
        if rng.random() < 0.3:
            request["include_seen"] = True
        yield request


def test_requests_of_all_kinds_are_answered_together_and_as_one_alone(run, model, monkeypatch):
    batches = []
    rank = model.recommend

    def recommend(questions):
        batches.append(len(questions))
        return rank(questions)

    monkeypatch.setattr(type(model), "recommend", lambda self, questions: recommend(questions))
    monkeypatch.setattr(
        "multvae_jax.serving.app.ENDPOINTS",
        (ENDPOINTS[0]._replace(answer=lambda model, questions: recommend(questions)),),
    )
    requests = list(random_requests(np.random.default_rng(2), 40))
    answers = posted(model, *(("/recommend", request) for request in requests))
    recommender = mv.Recommender(run)
    for request, (status, answer) in zip(requests, answers, strict=True):
        options = {name: value for name, value in request.items() if name != "history"}
        (expected,) = recommender.recommend([request["history"]], **options)
        assert (status, answer) == (200, recommended(expected)), request
    assert sum(batches) == 40
    assert max(batches) == 8
    assert len(batches) < 10


def test_several_histories_are_a_list_of_answers(run, model):
    histories = [SEEN, [], ["nothing"], ["i5", "nothing", "i5"]]
    ((status, answer),) = posted(model, ("/recommend", {"histories": histories, "k": 4}))
    expected = mv.Recommender(run).recommend(histories, 4)
    assert (status, answer) == (200, {"lists": [recommended(found) for found in expected]})
    assert [found["from_popularity"] for found in answer["lists"]] == [False, True, True, False]
    assert [found["unknown"] for found in answer["lists"]] == [0, 0, 1, 1]


def test_similar_items_and_reasons_are_those_of_the_recommender(run, model):
    recommender = mv.Recommender(run)
    similar, one, several = posted(
        model,
        ("/similar", {"item": "i4", "k": 3}),
        ("/why", {"history": [*SEEN, "nothing"], "item": "i4"}),
        ("/why", {"history": SEEN, "items": ["i7", "i4"], "reasons": 2}),
    )
    found = recommender.similar_items("i4", 3)
    assert similar == (
        200,
        {
            "items": [
                {"item": item, "title": title, "score": pytest.approx(score)}
                for item, title, score in zip(found.items, found.titles, found.scores, strict=True)
            ]
        },
    )

    def explained(item, reasons, unknown):
        found = recommender.why(SEEN, item)
        each = zip(found.history, found.titles, found.effects, strict=True)
        return {
            "item": item,
            "title": CATALOGUE.titles.get(item),
            "score": pytest.approx(found.score, rel=1e-4, abs=1e-5),
            "because": [
                {"item": name, "title": title, "effect": pytest.approx(effect, rel=1e-3, abs=1e-4)}
                for name, title, effect in each
            ][:reasons],
            "unknown": unknown,
        }

    assert one == (200, explained("i4", None, 1))
    assert several == (200, {"items": [explained("i7", 2, 0), explained("i4", 2, 0)]})


def test_features_of_users_are_read_by_name(with_features):
    run = with_features.run
    values = [{"sex": "M", "age": 25}, {}]
    one, several, why, similar = posted(
        with_features,
        ("/recommend", {"history": [], "k": 3, "user_features": values[0]}),
        ("/recommend", {"histories": [SEEN, SEEN], "k": 3, "user_features": values}),
        ("/why", {"history": SEEN, "item": "i4", "user_features": values[0]}),
        ("/similar", {"item": "i4"}),
    )
    features, recommender = ENCODER.encode(values), mv.Recommender(run)
    (alone,) = recommender.recommend([[]], 3, user_features=features[:1])
    assert not alone.from_popularity
    assert one == (200, recommended(alone))
    both = recommender.recommend([SEEN, SEEN], 3, user_features=features)
    assert several == (200, {"lists": [recommended(found) for found in both]})
    expected = recommender.why(SEEN, "i4", user_features=features[:1])
    assert [each["item"] for each in why[1]["because"]] == expected.history
    assert similar == (
        422,
        {"error": "the model reads features of users, and scores no items without a user"},
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "user_features: the model reads sex, age; give {} if they are unknown"),
        ({"user_features": [{}, {}]}, "user_features: 2 for 1 in history"),
        (
            {"user_features": {"sex": "X"}},
            "user_features: sex 'X'; the values are F, M; leave out what is unknown",
        ),
        (
            {"user_features": [{"height": 3}]},
            "user_features[0]: no column 'height'. There are: sex, age",
        ),
    ],
)
def test_features_that_cannot_be_read_are_refused(with_features, given, message):
    ((status, answer),) = posted(with_features, ("/recommend", {"history": SEEN, **given}))
    assert (status, answer) == (422, {"error": message})


def test_a_model_with_features_without_names_is_not_served():
    run = run_with_features()
    object.__setattr__(run, "user_encoder", None)
    with pytest.raises(InputError, match="train it with --user-features"):
        served(run)


REFUSED = [
    ("/recommend", b"", 400, "the body is not JSON: it is empty"),
    ("/recommend", b"{", 400, "the body is not JSON: input data was truncated"),
    ("/recommend", b"\xff\xfe", 400, "the body is not JSON: invalid character (byte 0)"),
    ("/recommend", b'{"history": [], "k": NaN}', 400, "the body is not JSON: invalid character"),
    ("/recommend", b"[" * 1_500, 422, "the body: expected an object, got a list"),
    ("/recommend", b" " * 2_001, 413, "the body is larger than 2,000 bytes, the most of this"),
    ("/recommend", {}, 422, "history, histories: one of them is missing"),
    ("/recommend", {"history": [], "histories": []}, 422, "history, histories: give one of them"),
    ("/recommend", {"histroy": []}, 422, "there is no field 'histroy'; did you mean history?"),
    ("/recommend", {"history": "i5"}, 422, "history: expected a list, got text"),
    ("/recommend", {"history": [1.5]}, 422, "history[0]: expected an integer or text, got a num"),
    ("/recommend", {"history": [True]}, 422, "history[0]: expected an integer or text, got true"),
    (
        "/recommend",
        {"histories": [SEEN, ["i1", None]]},
        422,
        "histories[1][1]: expected an integer or text, got null",
    ),
    ("/recommend", {"history": [5]}, 422, "history: 5 is of type int; the ids of the catalogue"),
    ("/recommend", {"histories": [[5]]}, 422, "histories[0]: 5 is of type int; the ids of the c"),
    (
        "/recommend",
        {"history": ["x", "y"]},
        422,
        "history: none of its 2 items is in the catalogue; ids are spelled such as 'i0'",
    ),
    ("/recommend", {"histories": [["x"], []]}, 422, "histories: its item is not in the catalogue"),
    ("/recommend", {"history": ["i1"] * 21}, 422, "items of history: 21; this server takes at mo"),
    (
        "/recommend",
        {"histories": [SEEN, ["i1"] * 21]},
        422,
        "items of histories[1]: 21; this server takes at most 20",
    ),
    ("/recommend", {"histories": [SEEN] * 7}, 422, "histories: 7; this server takes at most 6"),
    ("/recommend", {"history": SEEN, "k": 0}, 422, "k: expected an integer >= 1"),
    ("/recommend", {"history": SEEN, "k": 11}, 422, "k: 11; this server takes at most 10"),
    ("/recommend", {"history": SEEN, "k": 10**30}, 422, "k: 1,000,000,000,000,000,000,000,000,00"),
    ("/recommend", {"history": SEEN, "k": "5"}, 422, "k: expected an integer, got text"),
    ("/recommend", {"history": SEEN, "exclude": "i5"}, 422, "exclude: expected a list, got text"),
    ("/recommend", {"history": SEEN, "candidates": ["x"]}, 422, "candidates: none of the 1 items"),
    (
        "/recommend",
        {"history": SEEN, "candidates": ["i1"], "exclude": ["i1"]},
        422,
        "exclude: it leaves no item to recommend",
    ),
    ("/recommend", {"history": SEEN, "user_features": {}}, 422, "user_features: the model reads "),
    ("/similar", {}, 422, "item: is missing"),
    ("/similar", {"item": None}, 422, "item: expected an integer or text, got null"),
    ("/similar", {"item": "x" * 99}, 422, f"item: there is no item '{'x' * 40}...'; ids are spel"),
    ("/similar", {"item": "i1", "k": 11}, 422, "k: 11; this server takes at most 10"),
    ("/why", {"history": SEEN}, 422, "item, items: one of them is missing"),
    ("/why", {"history": [], "item": "i1"}, 422, "history: is empty, so that nothing speaks for"),
    ("/why", {"history": ["x"], "item": "i1"}, 422, "history: its item is not in the catalogue"),
    ("/why", {"history": SEEN, "items": ["i1", "x"]}, 422, "items: there is no item 'x'; ids are"),
    ("/why", {"history": SEEN, "items": ["i1"] * 11}, 422, "items: 11; this server takes at most"),
    ("/what", {}, 404, "there is no /what; there are POST /recommend, POST /similar, POST /why, "),
]


@pytest.mark.parametrize(("path", "body", "status", "message"), REFUSED)
def test_what_cannot_be_answered_is_refused_in_one_sentence(model, path, body, status, message):
    ((found, answer),) = posted(model, (path, body))
    assert (found, list(answer)) == (status, ["error"])
    assert answer["error"].startswith(message)
    assert "\n" not in answer["error"]


def test_other_methods_are_refused_and_health_is_told(model):
    async def ask():
        async with client_of(model) as client:
            return [
                await client.get("/recommend"),
                await client.post("/health"),
                await client.get("/health"),
            ]

    get, post, health = asyncio.run(ask())
    assert (get.status_code, get.headers["allow"]) == (405, "POST")
    assert get.json() == {"error": "/recommend takes POST, and not GET"}
    assert post.json() == {"error": "/health takes GET, and not POST"}
    told = health.json()
    assert (told["status"], told["run"], told["items"]) == ("ok", "my-run", N_ITEMS)


def test_a_failure_of_the_server_is_told_as_one(model, monkeypatch):
    def fail(model, questions):
        raise InputError("scorer: a score is NaN")

    monkeypatch.setattr("multvae_jax.serving.app.ENDPOINTS", (ENDPOINTS[0]._replace(answer=fail),))
    ((status, answer),) = posted(model, ("/recommend", {"history": SEEN}))
    assert (status, answer) == (
        500,
        {"error": "the server has failed at this request; its log says why"},
    )


def test_who_is_cut_off_at_the_end_of_the_server_is_told(model):
    async def cut_off():
        yield b"{"
        raise asyncio.CancelledError

    async def post():
        async with client_of(model) as client:
            return await client.post("/recommend", content=cut_off())

    answer = asyncio.run(post())
    assert answer.status_code == 503
    assert answer.json() == {"error": "the server has stopped before it could answer"}


def test_after_the_warm_up_no_request_compiles(run):
    model = served(run)
    scorer, traces = counted(run.scorer)
    model.scorer = as_scorer(scorer)
    # In a thread, as the requests are: to jax, the settings of this one are others.
    thread = threading.Thread(target=model.warm_up)
    thread.start()
    thread.join()
    # 1 or 8 users; 8 chunks, or 32 for 8 users; once to rank, and once to score again.
    assert len(traces) == 6
    rng = np.random.default_rng(0)
    bodies = [("/recommend", request) for request in random_requests(rng, 12)]
    bodies += [("/recommend", {"histories": [SEEN] * 6, "k": 10})]
    for length in (1, 17, 20):
        history = [f"i{item}" for item in rng.permutation(N_ITEMS)[:length]]
        bodies += [("/why", {"history": history, "items": ["i1", "i2"]})]
    for part in (bodies, bodies[:1], bodies[-2:]):
        assert {status for status, _ in posted(model, *part)} == {200}
    assert len(traces) == 6


def test_the_document_describes_all_paths_and_its_references_lead_somewhere(model):
    found = document(LIMITS)
    routes = {route.path: set(route.methods) - {"HEAD"} for route in make_app(model, "").routes}
    del routes["/openapi.json"]
    assert {path: {m.upper() for m in found["paths"][path]} for path in routes} == routes
    text = msgspec.json.encode(found).decode()
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names == set(found["components"]["schemas"])
    assert "At most 10 items per list, 20 items per history" in text
    for each in ENDPOINTS:
        msgspec.convert(each.example, type=each.request)
