"""What only a browser would notice: ids that no component has, and outputs that two callbacks claim."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from drm import ids
from drm.dashboard import create_app, mount
from drm.errors import InvalidValueError
from drm.manager import DynamicResourceManager
from drm.state import DRMState

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def state() -> DRMState:
    """A state without a worker."""
    return DRMState(DynamicResourceManager(now=0.0))


def scripts() -> str:
    """The browser's code of ours."""
    return "".join(path.read_text() for path in sorted((ROOT / "assets" / "drm").glob("*.js")))


def test_every_id_of_a_callback_is_in_the_layout(state: DRMState) -> None:
    """Inputs, states and outputs name components of the page."""
    app = create_app(state)
    present = {component.id for component in app.layout()._traverse() if getattr(component, "id", None)}
    named = set()
    for callback in app._callback_list:
        named |= {argument["id"] for argument in (*callback["inputs"], *callback["state"])}
        named |= {re.sub(r"\.[^.]*$", "", output) for output in re.findall(r"[^.][^.]*\.[a-zA-Z_]+", callback["output"].strip("."))}
    assert named <= present


def test_no_output_has_two_callbacks(state: DRMState) -> None:
    """But for those that say `allow_duplicate`, which Dash marks with an @."""
    app = create_app(state)
    outputs = [output for callback in app._callback_list for output in callback["output"].strip(".").split("...")]
    assert not [output for output, count in Counter(outputs).items() if count > 1]


def test_ids_stand_in_one_module_and_bear_the_prefix() -> None:
    """No literal id in layouts, callbacks or the browser's code."""
    for path in (*(ROOT / "layouts").glob("*.py"), *(ROOT / "callbacks").glob("*.py")):
        assert not re.search(r"""\b(Input|Output|State)\(\s*["']""", path.read_text()), path
    assert "drm-health" in ids.HEALTH_TEXT
    assert not re.search(r"""getElementById\(\s*["'`]|querySelector""", scripts())


def test_every_clientside_function_exists(state: DRMState) -> None:
    """A function that a callback names is in a script."""
    script = scripts()
    names = {
        callback["clientside_function"]["function_name"] for callback in create_app(state)._callback_list if callback["clientside_function"]
    }
    assert names
    assert not [name for name in names if not re.search(rf"\b{name}:", script)]


def test_the_vendored_plotly_is_the_one_of_the_library() -> None:
    """The smaller bundle that the page loads has the version that figures are tested with, and is found before Dash's own."""
    from plotly.offline import get_plotlyjs_version

    bundle = (ROOT / "assets" / "plotly" / "plotly-cartesian.min.js").read_text()
    assert f"v{get_plotlyjs_version()}" in bundle[:400]
    assert '"heatmap"' in bundle
    assert '"scatter"' in bundle


def test_prefixes_and_arguments_are_checked(state: DRMState) -> None:
    """A prefix without both slashes, and what is no state or no Flask application, is refused by value."""
    with pytest.raises(InvalidValueError, match="'/drm'"):
        create_app(state, url_prefix="/drm")
    with pytest.raises(InvalidValueError, match="DRMState"):
        create_app("state")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="Flask"):
        mount("host", state)  # type: ignore[arg-type]
