/* Worker lifetimes: which click opens what, and the cells of the list of those that have ended. */
(function () {
    "use strict";

    const NO_UPDATE = () => window.dash_clientside.no_update;
    const context = () => window.dash_clientside.callback_context;
    const by = (index, prop) => context().triggered.some((one) => one.prop_id === context().inputs_list[index].id + "." + prop);
    const clock = (seconds) => window.dashAgGridFunctions.drmTime(seconds);
    const element = (...parts) => window.React.createElement(...parts);

    const BUSY_AT_MOST = 10000, ASKED = ["range", "at", "scheme"];
    const passed = {};

    Object.assign(window.dash_clientside.drm, {
        /* A further card of a tab gets its tab's tick; one that only says that time went on not while its last answer is on its way. */
        passTick: function (tick, busy) {
            const key = context().outputs_list.id, last = passed[key];
            if (!tick) return NO_UPDATE();
            const isNew = !last || ASKED.some((name) => last.tick[name] !== tick[name]);
            if (!isNew && busy && Date.now() - last.time < BUSY_AT_MOST) return NO_UPDATE();
            passed[key] = { tick: tick, time: Date.now() };
            return tick;
        },

        /* A bar or a row opens its worker, above; the button in a row opens a decision instead. */
        selectLifetime: function (click, cell, chosen, figure, rows, selected, detail) {
            let worker;
            if (by(0, "clickData")) worker = click && figure && figure.members && figure.members[click.points[0].y];
            else if (by(1, "cellClicked")) worker = cell && !isDecision(cell, rows) && (rowOf(cell, rows) || {}).worker_id;
            else worker = chosen && chosen.length && chosen[0].worker_id;
            if (!worker) return NO_UPDATE();
            setTimeout(() => document.getElementById(detail).scrollIntoView({ block: "nearest", behavior: "smooth" }), 500);
            return Object.assign({}, selected, { worker: worker });
        },

        /* Rows of a table, in which numbers are moments. */
        timedRows: function (rows) {
            const part = (type, props) => ({ namespace: "dash_html_components", type: type, props: props });
            const cell = (value) => typeof value === "number" ? { children: clock(value), className: "drm-number" } : { children: value };
            return (rows || []).map((row) => part("Tr", { children: row.map((value) => part("Td", cell(value))) }));
        },

        openDecision: function (cell, clicks, rows, value) {
            const decision = by(1, "n_clicks") ? value : cell && isDecision(cell, rows) ? rowOf(cell, rows).decision : null;
            return decision ? [decision, "scaling"] : [NO_UPDATE(), NO_UPDATE()];
        },
    });

    const rowOf = (cell, rows) => (rows || []).find((row) => row.id === String(cell.rowId));
    const isDecision = (cell, rows) => cell.colId === "decision" && Boolean((rowOf(cell, rows) || {}).decision);

    /* Parts of the hour stand side by side up to its end, those that are missing as gaps. */
    function line(percents, parts) {
        const first = parts - percents.length;
        return percents.map((percent, place) => percent === null ? "" :
            "M" + (first + place) + " 20V" + (20 - Math.max(0.6, Math.min(100, percent) / 5)) + "h1V20Z").join("");
    }

    window.dashAgGridComponentFunctions = Object.assign({}, window.dashAgGridComponentFunctions, {
        drmDecision: (props) => !props.value ? null :
            element("button", { className: "btn btn-sm drm-link", type: "button", title: "Open its explanation" }, "Decision " + props.value),
        drmLastHour: function (props) {
            const field = props.colDef.field, percents = props.data[field + "_line"], parts = props.parts;
            if (props.value === null) return element("span", { className: "drm-note" }, "not measured");
            return element("div", { className: "drm-last-hour" },
                element("svg", { viewBox: "0 0 " + parts + " 20", preserveAspectRatio: "none", "aria-hidden": true },
                    element("path", { d: line(percents, parts) })),
                element("span", null, props.value + " / " + props.data[field + "_max"] + " %"));
        },
    });
})();
