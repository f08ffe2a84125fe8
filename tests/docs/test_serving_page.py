"""The requests of the page on serving, as a reader would send them."""

import re
import shlex

from multvae_jax.serving.endpoints import ENDPOINTS
from multvae_jax.serving.messages import decoded
from tests.docs.builders import ROOT, blocks

PAGE = blocks("docs/serving.md")


def test_the_requests_of_the_page_are_those_of_the_server():
    requests = {each.path: each.request for each in ENDPOINTS}
    sent = []
    for language, _, text in PAGE:
        if language == "sh" and text.startswith("curl"):
            _, _, url, _, body = shlex.split(text)
            sent.append(url.removeprefix("localhost:8000"))
            decoded(body.encode(), requests[sent[-1]])
    assert sent == ["/recommend", "/why"]
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    for path, request in requests.items():
        (row,) = re.findall(rf"^\| `POST {path}` .*$", text, re.MULTILINE)
        fields = set(request.__struct_fields__) - {"user_features"}
        assert fields <= set(re.findall(r"`(\w+)`", row)), path
