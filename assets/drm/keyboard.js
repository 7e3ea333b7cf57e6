/* The keyboard's way to what a click in a figure or on a row of a table opens, and the way back. */
(function () {
    "use strict";

    const LOOK = 150, TRIES = 40, PATIENCE = 10;
    const cameFrom = new Map();

    const graphOf = (figure) => figure.getElementsByClassName("js-plotly-plot")[0];

    /* The rows of a heatmap by name; null of another figure. */
    function rowsOf(figure) {
        const graph = graphOf(figure), trace = graph && (graph._fullData || []).find((one) => one.z);
        return trace ? Array.from(trace.y) : null;
    }

    const isShown = (section) => Boolean(section && section.offsetParent);
    const titleOf = (section) => isShown(section) ? section.getElementsByTagName("h2")[0].textContent : null;

    /* What is opened gets the focus once it is there. A row of several workers opens into their rows: then the table is that of those. */
    function follow(details, id, before, tries) {
        const section = document.getElementById(id), rows = String(rowsOf(details.parentElement));
        const isNew = isShown(section) && (titleOf(section) !== before.title || tries < TRIES - PATIENCE);
        if (isNew && (before.title === null || rows === before.rows)) {
            cameFrom.set(id, details);
            section.focus({ preventScroll: true });
            section.scrollIntoView({ block: "nearest" });
        } else if (rows !== before.rows) {
            window.drm_figure_table.fill(details);
            (details.getElementsByClassName("drm-row-button")[0] || details.firstElementChild).focus();
        } else if (tries) setTimeout(() => follow(details, id, before, tries - 1), LOOK);
    }

    function openRow(button) {
        const details = button.closest("details"), figure = details.parentElement, id = figure.dataset.drmRowOpens, rows = rowsOf(figure);
        if (rows && !rows.includes(button.drmPlace)) {
            /* The figure has gone on since the table was made, and has that row no more. */
            window.drm_figure_table.fill(details);
            details.firstElementChild.focus();
            return;
        }
        const before = { title: titleOf(document.getElementById(id)), rows: String(rows) };
        window.dash_clientside.set_props(graphOf(figure).closest(".dash-graph").id, { clickData: { points: [{ y: button.drmPlace }] } });
        follow(details, id, before, TRIES);
    }

    /* What had the focus is hidden with the section that it stood in: whoever came from a table goes back to it. */
    function goBack(section, tries) {
        if (isShown(section)) {
            if (tries) setTimeout(() => goBack(section, tries - 1), LOOK);
            return;
        }
        const details = cameFrom.get(section.id);
        cameFrom.delete(section.id);
        const here = document.activeElement;
        if (isShown(details) && (here === document.body || section.contains(here))) details.firstElementChild.focus();
    }

    document.addEventListener("click", (event) => {
        const button = event.target instanceof Element && event.target.closest("button");
        if (!button) return;
        if (button.matches(".drm-row-button")) openRow(button);
        const section = button.closest("section[tabindex]");
        if (section && cameFrom.has(section.id)) goBack(section, PATIENCE);
    });

    window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, { drmLeaveTable: () => false });

    /* In a table of rows, Enter on a cell is a click on it, or on the button that it holds. */
    document.addEventListener("keydown", (event) => {
        const cell = event.key === "Enter" && event.target instanceof Element && event.target.matches(".drm-ledger .ag-cell") && event.target;
        if (cell) (cell.getElementsByTagName("button")[0] || cell).click();
    });
})();
