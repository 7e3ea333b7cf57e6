"""What `from drm import ...` gives, and what it does not bring with it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import drm

HEAVY = ("boto3", "botocore", "dash", "distributed", "duckdb", "libcloud", "pandas", "plotly", "flask", "waitress")


def loaded_after(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("name", drm.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name of `__all__` can be had, and has a docstring."""
    value = getattr(drm, name)
    assert name == "__version__" or value.__doc__


def test_all_names_what_is_there_and_nothing_else() -> None:
    """`__all__` and the table of homes agree; a wrong name says so, as of any module."""
    assert set(drm.__all__) == {*drm._HOME, "__version__"}
    assert dir(drm) == sorted(drm.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        drm.no_such_name  # noqa: B018


def test_the_library_brings_neither_dash_nor_distributed_nor_duckdb() -> None:
    """A program that manages an external pool pays for nothing else."""
    assert loaded_after("from drm import DynamicResourceManager, Resources; DynamicResourceManager()") == set()


def test_the_providers_are_named_without_their_libraries() -> None:
    """Whoever rents nothing needs neither boto3 nor libcloud, and the engine does not bring them."""
    assert loaded_after("from drm.cloud import AWSProvider, LibcloudProvider, PriceFile; from drm import DaskEngine") == set()


def test_a_worker_process_imports_nothing_of_the_page() -> None:
    """What a worker runs does not load Dash or Plotly, which would double its memory."""
    assert not loaded_after("import drm.engines.dask_worker, drm.demo") & {"dash", "plotly", "pandas", "flask"}


def test_the_version_is_that_of_the_package() -> None:
    """What the program says and what is installed are one."""
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == drm.__version__
