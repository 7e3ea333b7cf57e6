"""What holds for all tests."""

import os
import tempfile

import pytest
from hypothesis import settings

# Machines are shared: how long an example took says nothing.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

# No program that a test starts leaves a history in the user's own folder; those that are about history name a folder of their own.
os.environ["DRM_HISTORY"] = "false"
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="drm-tests-")

SLOW = (
    "test_cli.py",
    "test_history_faults.py",
    "test_dask_engine.py",
    "test_faults_scheduler.py",
    "test_faults_process.py",
    "test_faults_prefork.py",
    "test_aws.py",
    "test_cloud_engine.py",
    "test_planted_month.py",
    "test_account_of_a_month.py",
    "test_simulated_day.py",
    "test_real_decisions.py",
    "test_dynamic_resource_management_visualization.py",
    "test_readme.py",
    "test_time_range.py",
    "test_odd_pools.py",
    "test_push.py",
    "test_store.py",
    "test_past_view.py",
    "test_allocation_figures.py",
)
"""Files that take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: processes that share the files end at about the same time."""
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.name, len(SLOW)))
