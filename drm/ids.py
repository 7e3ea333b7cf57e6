"""Every component id, spelled once. The clientside code gets them from `callback_context`, never as literals."""

from __future__ import annotations

LOCATION = "drm-location"
ABOUT_KEY = "about"
"""Key of the ticks of "About this dashboard"."""
ABOUT, ABOUT_OPEN = "drm-about", "drm-about-open"
ABOUT_FACTS, ABOUT_PHASES = "drm-about-facts", "drm-about-phases"
INTERVAL = "drm-interval"
MAIN = "drm-main"
"""Where whoever skips the header arrives."""
TABS = "drm-tabs"
RANGE = "drm-range"
AT = "drm-at"
"""The moment that is looked at, in epoch seconds as they stand in the address; empty: the present."""
CUSTOM, APPLY_SPAN = "drm-custom", "drm-apply-span"
SPAN = "drm-span"
"""From when until when the fields ask for, as texts and in epoch seconds."""
SPAN_PANEL, SPAN_FROM, SPAN_TO, SPAN_WORDS = "drm-span-panel", "drm-span-from", "drm-span-to", "drm-span-words"
BRUSHED = "drm-brushed"
"""What was shown before and after each dragging over an axis of time, so that it can be taken back."""
PAST_BAR, PAST_TIME, PAST_AGO = "drm-past-bar", "drm-past-time", "drm-past-ago"
LOOK_BACK, LIVE, JUMP = "drm-look-back", "drm-live", "drm-jump"
MINUTE_BEFORE, MINUTE_AFTER = "drm-minute-before", "drm-minute-after"
DECISION_BEFORE, DECISION_AFTER = "drm-decision-before", "drm-decision-after"
AS_OF_DECISION = "drm-as-of-decision"
PLAY, PLAY_CLOCK, SPEED = "drm-play", "drm-play-clock", "drm-speed"
ADDRESS_WORDS, TIME_WORDS = "drm-address-words", "drm-time-words"
"""Why the page does not show what its address asks for; what is wrong with the time that is asked for."""
UNKNOWN = "drm-unknown"
"""What is not known of the moment that is looked at."""
SAVE, SAVED = "drm-save", "drm-saved"
"""The menu that saves what a tab shows, and which tables each tab has."""
REFRESH = "drm-refresh"
THEME = "drm-theme"
SCHEME = "drm-scheme"
"""`light` or `dark`: what the theme comes to in this browser."""
SOURCE = "drm-source"
HEALTH = "drm-health"
"""What the server last said of the controller."""
HEALTH_TEXT = "drm-health-text"
FEED = "drm-feed"
"""Where the page gets its ticks, and where it asks whether the server is there."""
WAY = "drm-way"
"""What says how the page is updated."""
RECORDING = "drm-recording"
"""What is to be said of how history is kept."""
SHELL_KEY = "shell"
"""Key of the ticks of the header, which is always visible."""
KEYS = "drm-keys"
"""What the router serves, in order: the header, then the tabs."""
ADDRESS = "drm-address"
"""The rules of the page's address, for the browser."""

ALLOCATION_RESOURCE = "drm-allocation-resource"
ALLOCATION_SORT = "drm-allocation-sort"
PACKING_KEY = "packing"
"""Key of the graph of tasks on workers in the tab of allocation."""

RESOURCE = "drm-resource"
MEASURE = "drm-measure"
CELLS_SHOW, CELLS_SORT = "drm-cells-show", "drm-cells-sort"
CELLS_NAME, CELLS_STATE, CELLS_TYPE = "drm-cells-name", "drm-cells-state", "drm-cells-type"
CELLS_PROVIDER, CELLS_LABEL = "drm-cells-provider", "drm-cells-label"
"""What a row of the heatmap shows, the order of the rows, and which workers have one."""
CELLS_FILTERS = (CELLS_NAME, CELLS_STATE, CELLS_TYPE, CELLS_PROVIDER, CELLS_LABEL)
"""In the order of `drm.analysis.worker_order.Filters`."""
OPENED = "drm-opened"
"""The worker whose group is to be opened."""
SELECTED = "drm-selected"
"""The worker whose detail is open, and the workers of the group that is open."""
SHOW_ALL = "drm-show-all"
CLOSE_DETAIL = "drm-close-detail"
DETAIL = "drm-detail"
WORKER_ACTIONS = "drm-worker-actions"
"""The buttons that change the open worker."""
CONNECT, CONNECT_COMMAND, CONNECT_NOTE = "drm-connect", "drm-connect-command", "drm-connect-note"
"""How a first worker is connected to a pool that reports itself."""
CONTESTED = "drm-contested"
"""Ids under which two programs report."""
CONTROLS = "drm-controls"
"""Where bounds and policy are changed."""
DETAIL_TITLE = "drm-detail-title"
DETAIL_FACTS = "drm-detail-facts"
DETAIL_TASKS = "drm-detail-tasks"
DETAIL_KEY = "worker"
"""Key of the graph of the open worker."""
DETAIL_CAPTION = "drm-detail-caption"
DETAIL_LIVES, DETAIL_LIVES_AT, DETAIL_LIVES_CARD = "drm-detail-lives", "drm-detail-lives-at", "drm-detail-lives-card"
"""The states of the open worker's lifetimes: as rows, with times in epoch seconds, and what holds both."""
DETAIL_DECISION = "drm-detail-decision"
DETAIL_SPEND_TEXT, DETAIL_SPEND_TABLE = "drm-detail-spend-text", "drm-detail-spend-table"
DETAIL_SPEND_PARTS, DETAIL_SPEND_PARTS_TABLE = "drm-detail-spend-parts", "drm-detail-spend-parts-table"
DETAIL_SPEND_DRAWN = "drm-detail-spend-drawn"
"""Opens the decision that ended the open worker, whose id is its value."""
LIFETIMES_KEY = "lifetimes"
"""Key of the graph of lifetimes."""
LIFETIMES_SHOW, LIFETIMES_SORT, LIFETIMES_ORDER = "drm-lifetimes-show", "drm-lifetimes-sort", "drm-lifetimes-order"
"""Whether the bars or the list is shown; the order of the bars, and what holds that choice."""
ENDED, ENDED_CARD = "drm-ended", "drm-ended-card"
"""The list of workers that have ended, and what holds it."""

DEMAND_RESOURCE = "drm-demand-resource"
"""Which resource's demand Scaling shows."""
NOW_TEXT = "drm-now-text"
WHY_NOT = "drm-why-not"
DECISION_FORMULA, DECISION_WORKERS_TABLE = "drm-decision-formula", "drm-decision-workers"
DECISION = "drm-decision"
"""The decision that is explained: its id, `now` for the present tick, or empty."""
EXPLANATION = "drm-explanation"
EXPLANATION_KEY = "explanation"
EXPLANATION_TITLE = "drm-explanation-title"
EXPLANATION_TIME = "drm-explanation-time"
EXPLANATION_AT = "drm-explanation-at"
"""From when until when the explained decision stood, in epoch seconds."""
EXPLANATION_BODY = "drm-explanation-body"
CLOSE_EXPLANATION = "drm-close-explanation"
LEDGER = "drm-ledger"
LEDGER_STATE = "drm-ledger-state"
"""What the table of decisions was last filled from."""

CLOUD_TEXT = "drm-cloud-text"
CLOUD_WARNING = "drm-cloud-warning"
CLOUD_TABLE = "drm-cloud-table"
CLOUD_CONNECT = "drm-cloud-connect"
LADDER_TEXT = "drm-ladder-text"
LADDER_TABLE = "drm-ladder-table"
LADDER_NOTE = "drm-ladder-note"
LADDER_OF = "drm-ladder-of"
LADDER_PARTS, LADDER_PARTS_TABLE = "drm-ladder-parts", "drm-ladder-parts-table"
LADDER_PARTS_TITLE = "drm-ladder-parts-title"
"""How to connect a cloud; hidden where one is."""
CLOUD_BY = "drm-cloud-by"
"""What the bars of what was spent stand for."""
ORPHANS_TEXT, ORPHANS_TABLE = "drm-orphans-text", "drm-orphans-table"
SPENDING_KEY = "spending"
"""Key of the graph of what was spent in the running day or month."""
SPEND_PERIOD = "drm-spend-period"
SPENDING_TILES, SPENDING_ALERTS, SPENDING_NOTE = "drm-spending-tiles", "drm-spending-alerts", "drm-spending-note"
SPENDING_PARTS, SPENDING_PARTS_TABLE = "drm-spending-parts", "drm-spending-parts-table"
SPENDING_FORECAST, SPENDING_FORECAST_TABLE = "drm-spending-forecast", "drm-spending-forecast-table"
"""What the sums are made of, and what opens that."""
INSTANCE_TYPE = "drm-instance-type"
"""The type with which the pool is compared."""
INSTANCE_TYPES = "drm-instance-types"
"""The types that fit what was typed."""
CLOUD_REGION = "drm-cloud-region"
COMPARISON = "drm-comparison"
COMPARISON_FORMULA = "drm-comparison-formula"
COMPARISON_CARD = "drm-comparison-card"
OVERVIEW_CARDS, EFFICIENCY_CARDS = "drm-overview-cards", "drm-efficiency-cards"
EFFICIENCY_RESOURCE = "drm-efficiency-resource"
EFFICIENCY_BY = "drm-efficiency-by"
"""Whether tasks are shown by name, or by name and request."""
EFFICIENCY_WORKERS_KEY, EFFICIENCY_TASKS_KEY = "efficiency-workers", "efficiency-tasks"
"""Keys of the tab's other graphs."""
RECOMMENDATIONS_KEY = "recommendations"
RECOMMENDATIONS, RECOMMENDATIONS_WORDS = "drm-recommendations", "drm-recommendations-words"
IDLE_CAUSES, IDLE_WORDS = "drm-idle-causes", "drm-idle-words"


def tick(key: str) -> str:
    """The store whose change makes a tab draw: what the router hands on."""
    return f"drm-{key}-tick"


def busy(key: str) -> str:
    """The store that is true while a tab's answer is on its way."""
    return f"drm-{key}-busy"


def drawn(key: str) -> str:
    """The store of what this client last drew in a tab."""
    return f"drm-{key}-drawn"


def is_tick(component_id: str) -> bool:
    """Whether it is one of `tick`."""
    return component_id.startswith("drm-") and component_id.endswith("-tick")


def is_drawn(component_id: str) -> bool:
    """Whether it is one of `drawn`, or tells the same of a part of a tab."""
    return component_id.startswith("drm-") and component_id.endswith("-drawn")


def wire(key: str) -> str:
    """The store in which a figure arrives, before the browser turns bytes into cells and times into local ones."""
    return f"drm-{key}-wire"


def panel(key: str) -> str:
    """What a tab shows."""
    return f"drm-{key}-panel"


def zoom(key: str) -> str:
    """The store of what the reader zoomed into in a tab's graph."""
    return f"drm-{key}-zoom"


def graph(key: str) -> str:
    """The graph of a tab."""
    return f"drm-{key}-graph"


def empty(key: str) -> str:
    """What stands in place of a tab's graph where there is nothing to draw."""
    return f"drm-{key}-empty"


SUMMARY = "drm-summary"
"""The items of the Resource Summary."""


def summary(name: str, part: str) -> str:
    """A part of an item of the Resource Summary."""
    return f"drm-summary-{name}-{part}"


def card(name: str, part: str) -> str:
    """A part of a card: its value, note, bar, ..."""
    return f"drm-card-{name}-{part}"
