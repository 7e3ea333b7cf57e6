"""The Scaling tab in a real browser: marks, rows and the present tick lead to explanations whose numbers are the API's."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from drm import ids
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched, text

ROW = f"#{ids.LEDGER} .ag-center-cols-container .ag-row"


def explained(page: Page) -> str:
    """The open explanation, once it is filled."""
    page.locator(f"#{ids.EXPLANATION}").wait_for(state="visible", timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.EXPLANATION_BODY} .drm-sentence")).to_be_visible(timeout=FIGURE_TIMEOUT)
    return text(page, ids.EXPLANATION_BODY)


def sentence_of(decision: dict[str, Any]) -> str:
    """The reason as a sentence begins."""
    return str(decision["reason"][:1].upper() + decision["reason"][1:])


def scaled_up(watched: Watched) -> dict[str, Any]:
    """The first scale-up of the demo workload whose outcome is known; it comes within seconds of the program's start."""
    for _ in range(FIGURE_TIMEOUT // 250):
        found = watched.api("decisions?action=scale_up&limit=1000")["decisions"]
        if found and found[-1]["outcome"] == "done":
            return dict(found[-1])
        watched.page.wait_for_timeout(250)
    raise AssertionError("the demo workload made no pool grow")


def test_a_click_on_a_mark_explains_its_decision(watched: Watched) -> None:
    """The sentence and the sizes are the API's; the waterfall has every step; the address holds the decision, and a reload shows it."""
    page = watched.open("?tab=scaling&refresh=0")
    decision = scaled_up(watched)
    page.reload()
    watched.drawn()
    watched.until(f"{PLOT}.data.some((one) => one.name === 'Grew' && (one.customdata || []).length > 0)")
    where = page.evaluate(
        f"""(() => {{
            const plot = {PLOT}, full = plot._fullLayout, trace = plot.data.find((one) => one.name === "Grew");
            const box = plot.querySelector(".xy2").closest("svg").getBoundingClientRect();
            const x = full.xaxis._offset + full.xaxis.d2p(trace.x[0]), y = full.yaxis2._offset + full.yaxis2.d2p(trace.y[0]);
            return {{ x: box.x + x, y: box.y + y, id: trace.customdata[0] }};
        }})()"""
    )
    page.mouse.move(where["x"] - 30, where["y"])
    page.mouse.move(where["x"], where["y"], steps=4)
    page.mouse.click(where["x"], where["y"])
    told = explained(page)
    clicked = watched.api(f"decisions/{where['id']}")
    assert clicked["kind"] == "up" and sentence_of(clicked) in told
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_have_text(
        f"Decision {clicked['id']}: ▲ grew, {clicked['current']} → {clicked['target']} workers"
    )
    assert page.locator(f"#{ids.EXPLANATION_BODY} .drm-steps tbody tr").count() == len(clicked["steps"])
    assert f"decision={clicked['id']}" in page.url and decision["id"] <= clicked["id"]
    ready = clicked["ready_at"] - clicked["requested_at"]
    assert f"{ready:.0f}" in told or f"{ready:.1f}" in told or f"{ready:.2f}" in told
    page.reload()
    watched.drawn()
    assert sentence_of(clicked) in explained(page)
    page.get_by_role("button", name="Close").last.click()
    expect(page.locator(f"#{ids.EXPLANATION}")).to_be_hidden()
    assert "decision" not in page.url


def test_why_not_now_is_one_click_away(watched: Watched) -> None:
    """The button explains the present tick, in the API's words, with its blockers and what would change them."""
    page = watched.open("?tab=scaling")
    page.get_by_role("button", name="Why not now?").click()
    explained(page)
    watched.pause()
    told = explained(page)
    assert text(page, ids.EXPLANATION_TITLE).startswith("The present tick: ")
    assert re.search(r"Warm-up", told) and re.search(r"Launcher", told)
    shown = page.locator(f"#{ids.EXPLANATION_BODY} .drm-blockers li").count()
    # A limit that only made a change smaller, or a request that nothing can hold, has nothing that would change it.
    ways_out = told.count("What would change it: ")
    assert ways_out <= shown and (ways_out > 0 or "What stands in the way" not in told or "infeasible" in told)
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_be_in_viewport()


def test_the_ledger_pages_filters_and_sorts_on_the_server(watched: Watched) -> None:
    """Its rows are the API's; a filter and a sort ask the server; a row that is clicked is explained."""
    page = watched.open("?tab=scaling")
    scaled_up(watched)
    page.reload()
    watched.drawn()
    expect(page.locator(ROW).first).to_contain_text(re.compile(r"\d"), timeout=FIGURE_TIMEOUT)
    page.get_by_label("Kind Filter Input").fill("grew")
    page.keyboard.press("Enter")
    kinds = page.locator(f"{ROW} [col-id=kind]")
    for _ in range(FIGURE_TIMEOUT // 250):
        shown = kinds.all_inner_texts()
        if shown and set(shown) == {"▲ Grew"}:
            break
        page.wait_for_timeout(250)
    assert set(kinds.all_inner_texts()) == {"▲ Grew"}
    first = page.locator(f"{ROW} [col-id=id]").first
    number = first.inner_text()
    first.click()
    assert sentence_of(watched.api(f"decisions/{number}")) in explained(page)
    page.get_by_role("columnheader", name="When").click()
    expect(page.locator(f"{ROW}[row-index='0'] [col-id=id]")).to_have_text(
        str(watched.api("decisions?action=scale_up&limit=1000")["decisions"][-1]["id"]), timeout=FIGURE_TIMEOUT
    )


def test_the_ledger_follows_new_decisions_without_blinking(watched: Watched) -> None:
    """New rows arrive by themselves, and the table is never empty meanwhile."""
    page = watched.open("?tab=scaling")
    expect(page.locator(ROW).first).to_contain_text(re.compile(r"\d"), timeout=FIGURE_TIMEOUT)
    newest = page.locator(f"{ROW}[row-index='0'] [col-id=id]")
    before = int(newest.inner_text())
    for _ in range(FIGURE_TIMEOUT // 100):
        assert page.locator(ROW).count() > 0
        if int(newest.inner_text() or before) > before:
            break
        page.wait_for_timeout(100)
    assert int(newest.inner_text()) > before


def test_the_chosen_resource_is_in_the_address(watched: Watched) -> None:
    """Memory instead of CPU, and again after a reload."""
    page = watched.open("?tab=scaling&refresh=0")
    page.locator(f"#{ids.DEMAND_RESOURCE}").get_by_text("Memory", exact=True).click()
    page.wait_for_url(re.compile("demand=memory"))
    page.reload()
    watched.drawn()
    watched.until(f"{PLOT}.layout.legend3.title.text.includes('Memory')")
