"""A progress bar in the output of a cell."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from multvae_jax.host import notebook
from multvae_jax.host.console import progress_bar


@pytest.fixture
def shown(monkeypatch):
    """The pictures of the bars of a notebook, the last one of each bar."""
    cells = []

    def display(html, display_id):
        assert display_id
        cells.append(html)
        number = len(cells) - 1
        return SimpleNamespace(update=lambda new: cells.__setitem__(number, new))

    shell = SimpleNamespace(kernel=object())
    modules = {name: ModuleType(name) for name in ("IPython", "IPython.display")}
    modules["IPython"].get_ipython = lambda: shell
    modules["IPython.display"].HTML = str
    modules["IPython.display"].display = display
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return cells


def test_a_bar_is_one_picture_that_changes(shown, capsys, monkeypatch):
    monkeypatch.setattr(notebook, "EVERY", 0.0)
    with progress_bar("<training>", 8, completed=2, description="epochs") as advance:
        assert shown[0].startswith('&lt;training&gt; <progress value="2" max="8"')
        assert "</progress> 2/8 epochs 0:00:0" in shown[0]
        advance(3, "loss 1.5")
        assert 'value="5" max="8"' in shown[0]
        assert "</progress> 5/8 loss 1.5 0:00:0" in shown[0]
    with progress_bar("file", None, in_bytes=True) as advance:
        advance(2_500_000)
        assert "value" not in shown[1]
        assert "</progress> 2.5 MB 0:00:0" in shown[1]
    assert len(shown) == 2
    assert 'value="2500000" max="2500000"' in shown[1]
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_now_and_then_and_at_the_end(shown, monkeypatch):
    monkeypatch.setattr(notebook, "EVERY", 1000.0)
    monkeypatch.setattr(notebook.time, "monotonic", lambda: 5.0)
    with contextlib.suppress(KeyError), progress_bar("x", 9) as advance:
        for _ in range(4):
            advance()
        assert " 0/9 " in shown[0]
        raise KeyError
    assert " 4/9 " in shown[0]


def test_a_terminal_of_ipython_is_no_notebook(shown, capsys):
    sys.modules["IPython"].get_ipython = lambda: SimpleNamespace(kernel=None)
    with progress_bar("training", 1) as advance:
        advance()
    assert shown == []
    assert "training" in capsys.readouterr().err
