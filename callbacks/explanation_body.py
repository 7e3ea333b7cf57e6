"""What an explanation shows: sentence, blockers, steps as a waterfall, inputs as bullets, outcome and facts."""

from __future__ import annotations

from typing import Any

from drm.analysis.decision_cost import DecisionCost
from drm.callbacks import decision_account
from drm.callbacks import elements as html
from drm.callbacks.decision_account import facts_list
from drm.callbacks.elements import Element
from drm.callbacks.money_link import rate_at
from drm.decision import Blocker, ScalingDecision
from drm.figures import explanation

HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""Bars say what the texts beside them say."""


def body(decision: ScalingDecision, cost: DecisionCost | None = None) -> list[Element]:
    """All of the explanation, from the sentence to the outcome and what it cost."""
    columns = [
        html.Div([html.H3("From the policy's wish to the pool"), _steps(decision)]),
        html.Div([html.H3("What it rested on"), _inputs(decision)]),
    ]
    return [
        html.P(explanation.sentence(decision), className="drm-sentence"),
        *_blockers(decision),
        # What a person changed went through no steps.
        *([html.Div(columns, className="drm-columns")] if decision.steps else []),
        facts_list([*explanation.outcome(decision), *(_linked(fact, decision) for fact in explanation.facts(decision))]),
        *([] if cost is None else decision_account.body(cost)),
    ]


def _linked(fact: tuple[str, str], decision: ScalingDecision) -> tuple[str, Any]:
    """What the pool cost an hour opens its instances, as of the decision."""
    label, text = fact
    return (label, rate_at(text, decision.timestamp if decision.id else None)) if label == explanation.COST_RATE else fact


def _blockers(decision: ScalingDecision) -> list[Element]:
    if not decision.blockers:
        return []
    listed = [_blocker(one) for one in decision.blockers]
    joint = explanation.joint(decision)
    return [
        html.H3("What stands in the way, and what would change it" if decision.action == "maintain" else "What made it smaller"),
        html.Ul(listed, className="drm-blockers"),
        *([html.P(joint, className="drm-note")] if joint else []),
    ]


def _blocker(one: Blocker) -> Element:
    way_out: list[Any] = [html.Br(), "What would change it: ", html.Strong(one.flip_if)] if one.flip_if else []
    return html.Li([html.Strong(one.code.replace("_", " ")), f": {one.detail}", *way_out])


def _steps(decision: ScalingDecision) -> Element:
    rows = [
        html.Tr(
            [
                html.Th(step.name, scope="row"),
                html.Td(_fall(step)),
                html.Td(step.size, className="drm-number"),
                html.Td(step.detail, className="drm-detail"),
            ]
        )
        for step in explanation.steps(decision)
    ]
    head = _head("Step", "", "Size", "What it did")
    return html.Div(html.Table([html.Thead(head), html.Tbody(rows)], className="drm-table drm-steps"), className="drm-scroll")


def _fall(step: explanation.StepText) -> Element:
    extent = {"left": f"{step.left:.1f}%", "width": f"{step.width:.1f}%"}
    return html.Div(html.Div(className=f"drm-fall drm-fall-{step.direction or 'same'}", style=extent), className="drm-fall-track", **HIDDEN)


def _inputs(decision: ScalingDecision) -> Element:
    folded = decision.fold is not None and decision.evaluations is not None
    names = ["Input", "", "Last" if folded else "Value", *(["First", "Closest"] if folded else []), "Threshold", "Margin", "Age"]
    rows = []
    for one in explanation.inputs(decision):
        texts = (one.value, *((one.first, one.closest) if folded else ()), one.threshold, one.margin)
        cells = [html.Td(text, className="drm-number") for text in texts]
        rows.append(html.Tr([html.Th(one.name, scope="row"), html.Td(_bullet(one)), *cells, html.Td(one.age, className="drm-note")]))
    head = _head(*names)
    return html.Div(html.Table([html.Thead(head), html.Tbody(rows)], className="drm-table drm-inputs"), className="drm-scroll")


def _bullet(one: explanation.InputText) -> Element | None:
    if one.bar is None:
        return None
    beyond = " drm-bullet-beyond" if one.is_beyond else ""
    return html.Div(
        [
            html.Div(className=f"drm-bullet-bar{beyond}", style={"width": f"{one.bar:.1f}%"}),
            html.Div(className="drm-bullet-mark", style={"left": f"{one.mark:.1f}%"}),
        ],
        className="drm-bullet",
        **HIDDEN,
    )


def _head(*names: str) -> Element:
    """A column of bars, which only show what others say, has no name."""
    return html.Tr([html.Th(name, scope="col") if name else html.Td(**HIDDEN) for name in names])
