/* What a figure shows, as a table for whoever cannot see it: made from the graph itself when the table is opened, as it stands then.
   Where a click on a row of the figure opens something, a button in the table's row does the same (keyboard.js). */
(function () {
    "use strict";

    const MOST_ROWS = 200;

    const number = (value) => (value === null || value === undefined || Number.isNaN(value) ? "" : typeof value === "number" ? String(Number(value.toPrecision(4))) : text(value));
    const text = (value) => String(value).replace(/<br ?\/?>/g, " ").replace(/<[^>]*>/g, "").replace("T", /^\d{4}-\d\d-\d\dT/.test(value) ? " " : "T").replace(/\.0+$/, "");
    const title = (axis) => (axis && axis.title && axis.title.text && !/^Click to/.test(axis.title.text) ? text(axis.title.text) : "");

    /* One table for each pair of axes: {caption, heads, rows}. */
    function tables(graph) {
        const groups = new Map();
        for (const trace of graph._fullData || []) {
            if (trace.visible !== true || (!trace.z && !(trace.x && trace.y && trace.x.length))) continue;
            const place = trace.z ? trace.index : (trace.xaxis || "x") + (trace.yaxis || "y");
            if (!groups.has(place)) groups.set(place, []);
            groups.get(place).push(trace);
        }
        return [...groups.values()].map((traces) => table(graph._fullLayout, traces));
    }

    function table(layout, traces) {
        const [x, y] = ["xaxis", "yaxis"].map((axis) => layout[axis + String((traces[0][axis] || "").slice(1))] || layout[axis]);
        if (traces[0].z) return ofCells(traces[0]);
        if (traces.some((one) => one.orientation === "h" && isTold(one))) return ofWords(traces, title(x), y);
        const lying = traces[0].orientation === "h";
        const [places, values] = lying ? ["y", "x"] : ["x", "y"];
        const rows = new Map();
        traces.forEach((trace, column) => {
            for (let at = 0; at < trace[places].length; at++) {
                const place = trace[places][at];
                if (!rows.has(place)) rows.set(place, new Array(traces.length).fill(""));
                rows.get(place)[column] = trace.mode === "text" ? text(trace.text[at]).trim() : number(trace[values][at]);
            }
        });
        const heads = [title(lying ? y : x) || ((lying ? y : x).type === "date" ? "Time" : ""), ...traces.map((one) => text(one.name))];
        /* Rows of a figure without a title of their axis have one above their legend. */
        return { caption: title(lying ? x : y) || title(layout[traces[0].legend]), heads, ...thinned([...rows].map(([place, cells]) => [text(place), ...cells])) };
    }

    /* A row of a heatmap is told by its newest cell, its mean and its highest; cells without a sample are left out. */
    function ofCells(trace) {
        const rows = Array.from(trace.z, (cells, row) => {
            const known = Array.from(cells).filter((cell) => cell !== null && !Number.isNaN(cell) && !(trace.zmax < 255 && cell >= 255));
            const share = (cell) => Math.round((100 * cell) / trace.zmax) + " %";
            const mean = known.reduce((sum, cell) => sum + cell, 0) / known.length;
            const name = trace.y ? trace.y[row] : row;
            return [{ words: text(name), y: name }, ...(known.length ? [share(known[known.length - 1]), share(mean), share(Math.max(...known))] : ["", "", ""])];
        });
        return { caption: "", heads: ["Worker", "Newest", "Mean", "Highest"], ...thinned(rows) };
    }

    /* Bars and marks that are told in words where the mouse is: the same words. */
    function ofWords(traces, caption, axis) {
        const names = new Map(Array.from(axis.tickvals || [], (value, at) => [value, text((axis.ticktext || [])[at])]));
        const told = traces.filter(isTold).flatMap((trace) => Array.from(trace.customdata, (words, at) => [trace.y[at], text(words)]));
        const rows = told.sort(([one], [other]) => one - other).map(([place, words]) => {
            const name = names.get(place) || "";
            return [{ words: words.startsWith(name) ? words : name + ": " + words, y: place }];
        });
        return { caption, heads: ["What it is"], ...thinned(rows) };
    }

    const isTold = (trace) => Array.isArray(trace.customdata) && typeof trace.customdata[0] === "string" && /^%{customdata}/.test(trace.hovertemplate || "");

    function thinned(rows) {
        const step = Math.max(1, Math.ceil(rows.length / MOST_ROWS));
        return { rows: rows.filter((_, at) => (rows.length - 1 - at) % step === 0), all: rows.length };
    }

    function element(name, content, attributes) {
        const made = document.createElement(name);
        if (content !== undefined) made.append(...[content].flat());
        for (const [attribute, value] of Object.entries(attributes || {})) made.setAttribute(attribute, value);
        return made;
    }

    /* The first cell of a row; where it `opens` something, with the place in the figure that a click on it would have. */
    function headed(first, opens) {
        const { words, y } = first && first.words !== undefined ? first : { words: first };
        if (!opens || y === undefined) return element("th", words, { scope: "row" });
        const button = element("button", words, { type: "button", class: "drm-link drm-row-button", title: "Open it, as a click in the figure does" });
        button.drmPlace = y;
        return element("th", button, { scope: "row" });
    }

    function drawn(one, opens) {
        const told = one.rows.length < one.all ? `${one.rows.length} of ${one.all} rows; Save data has all.` : "";
        const caption = [one.caption, told].filter(Boolean).join(": ");
        const head = element("tr", one.heads.map((name) => element(name ? "th" : "td", name, name ? { scope: "col" } : {})));
        const body = one.rows.map(([first, ...cells]) => element("tr", [headed(first, opens), ...cells.map((cell) => element("td", cell, { class: "drm-number" }))]));
        const parts = [element("thead", head), element("tbody", body)];
        if (caption) parts.unshift(element("caption", caption));
        return element("table", parts, { class: "table table-sm drm-table" });
    }

    function fill(details) {
        const figure = details.parentElement, graph = figure.getElementsByClassName("js-plotly-plot")[0], found = graph ? tables(graph) : [];
        const opens = figure.dataset.drmRowOpens;
        details.lastElementChild.replaceChildren(...(found.length ? found.map((one) => drawn(one, opens)) : [element("p", "Nothing is drawn.")]));
    }

    window.drm_figure_table = { fill: fill };

    document.addEventListener(
        "toggle",
        (event) => {
            const details = event.target;
            if (!(details instanceof Element) || !details.matches(".drm-as-table") || !details.open) return;
            fill(details);
        },
        true,
    );
})();
