"""docs/policies.md says of policies, parameters, steps and codes what the program knows of them, row by row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.policies import create_policy, policy_kinds, policy_names
from drm.policies.codes import CODES, LIMIT_CODES, OTHER_CODES, POLICY_CODES, PROVIDER_CODES, WORKER_CODES
from drm.policies.conditions import Conditions
from drm.policies.flips import find_flips
from drm.policies.parameters import ParameterSet
from drm.policies.pipeline import STEPS, Pipeline, evaluate
from tests.unit.test_pipeline import conditions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text()


def section(title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level, _, after = PAGE.partition(f" {title}\n")
    assert after, f"docs/policies.md has no heading {title!r}"
    depth = len(level) - len(level.rstrip("#"))
    return re.split(rf"^#{{1,{depth}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[str]:
    """The rows of the tables in it, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [re.sub(r"\s+", " ", line) for line in lines]


def parameter_rows(kind: type[ParameterSet]) -> list[str]:
    return [
        f"| `{one.name}` | {one.unit} | {one.low:g} to {one.high:g} | {one.default:g} | {one.sentence} |".replace("  ", " ")
        for one in kind.described()
    ]


def code_rows(codes: Mapping[str, str]) -> list[str]:
    return [f"| `{code}` | {sentence} |" for code, sentence in codes.items()]


def same(found: Iterable[str], expected: Iterable[str]) -> None:
    assert list(found) == list(expected), "the rows should be:\n" + "\n".join(expected)


@pytest.mark.parametrize("name", policy_names())
def test_each_policy_is_described_with_all_its_parameters(name: str) -> None:
    """Name, unit, range, default and sentence, as the registry has them; and its formula is shown."""
    text = section(f"`{name}`")
    same(rows(text), parameter_rows(policy_kinds()[name]))
    assert "```" in text and "desired" in text


def test_the_pipeline_is_described_step_by_step() -> None:
    """The steps in their order, and the parameters."""
    text = section("The pipeline")
    assert re.findall(r"^\d+\. \*\*([a-z -]+)\*\*", text, re.MULTILINE) == list(STEPS)
    same(rows(text), parameter_rows(Pipeline))


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("Of policies", POLICY_CODES),
        ("Of steps", LIMIT_CODES),
        ("Others", OTHER_CODES),
        ("Of providers", PROVIDER_CODES),
        ("Of workers", WORKER_CODES),
    ],
)
def test_each_code_is_described(title: str, codes: Mapping[str, str]) -> None:
    """With its sentence."""
    same(rows(section(title)), code_rows(codes))


@settings(max_examples=100, derandomize=True)
@given(conditions(), st.sampled_from(policy_names()))
def test_no_decision_has_another_code(seen: Conditions, name: str) -> None:
    """Every reason, `maintain` included, and every blocker has a code of the list."""
    policy = create_policy(name)
    found = evaluate(policy, Pipeline(), seen)
    _, blockers = find_flips(policy, Pipeline(), seen)
    assert found.code in CODES and found.reason
    assert {limit.code for limit in found.limits} <= set(LIMIT_CODES)
    assert {blocker.code for blocker in blockers} <= set(CODES)


def test_no_code_of_the_list_is_unused() -> None:
    """Each stands in the source as well."""
    source = "".join(path.read_text() for path in (ROOT / "drm").rglob("*.py") if path.name != "codes.py")
    assert [code for code in CODES if f'"{code}"' not in source] == []
