/* The page's own code: which tab gets a tick, what stands in the address, and the last step of every figure. */
(function () {
    "use strict";

    const NO_UPDATE = () => window.dash_clientside.no_update;
    const triggered = () => window.dash_clientside.callback_context.triggered.map((one) => one.prop_id);
    const inputId = (index) => window.dash_clientside.callback_context.inputs_list[index].id;

    /* Times of the server are epoch seconds; Plotly draws a date as it is written, so it gets the browser's wall clock. */
    function local(seconds) {
        const date = new Date(seconds * 1000);
        return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
    }

    function bytes(text) {
        return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    }

    /* Rows of numbers from rows of bytes; a missing cell is NaN, which Plotly leaves blank. */
    function matrix(text, cells, scale) {
        const flat = bytes(text), columns = flat.length / cells.rows;
        return Array.from({ length: cells.rows }, (_, row) => {
            const numbers = new Float32Array(columns);
            for (let column = 0; column < columns; column++) {
                const cell = flat[row * columns + column];
                numbers[column] = cell === cells.missing ? NaN : cell * scale(row);
            }
            return numbers;
        });
    }

    function fillCells(trace, cells) {
        const whole = cells.capacity.every((capacity) => capacity > 0);
        trace.z = matrix(cells.mean, cells, () => cells.percent);
        trace.text = matrix(cells.max, cells, () => cells.percent);
        trace.customdata = matrix(cells.mean, cells, (row) => cells.percent / 100 * cells.capacity[row]);
        const amount = whole ? "<br>%{customdata:.3~g} " + cells.unit : "";
        trace.hovertemplate = "<b>%{y}</b><br>%{x|%b %d, %H:%M:%S}<br>" + cells.title + " " + cells.measure +
            ": %{z:.0f} % (max %{text:.0f} %)" + amount + "<extra></extra>";
    }

    const scheme = (theme) => theme !== "auto" ? theme :
        window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

    function showScheme(theme) {
        document.documentElement.setAttribute("data-bs-theme", scheme(theme));
        return scheme(theme);
    }

    /* Before the first paint, so that a dark page does not flash. */
    showScheme(["light", "dark"].find((name) => name === new URLSearchParams(location.search).get("theme")) || "auto");

    /* A redraw takes the hover label away; where the pointer rests on a figure, it is told of the pointer again. */
    const pointer = { x: -1, y: -1 };
    document.addEventListener("mousemove", (event) => { pointer.x = event.clientX; pointer.y = event.clientY; }, { passive: true });

    function hoverAgain() {
        const under = document.elementFromPoint(pointer.x, pointer.y);
        if (under && under.closest(".js-plotly-plot") && !document.body.matches(":active")) {
            under.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: pointer.x, clientY: pointer.y }));
        }
    }

    let healthAt = 0;

    window.dash_clientside = Object.assign({}, window.dash_clientside, { drm: {
        /* Hands the clock on to the header, which stands first in `keys`, and to the visible tab; not while their last answer is on its way. */
        route: function (n, tab, range, colours, keys, ...busy) {
            const clockOnly = triggered().every((prop) => prop.endsWith(".n_intervals"));
            if (clockOnly && document.hidden) return keys.map(NO_UPDATE);
            return keys.map((key, index) => {
                const visible = index === 0 || key === tab;
                return visible && !(clockOnly && busy[index]) ? { n: n || 0, range: range, scheme: colours, at: Date.now() } : NO_UPDATE();
            });
        },

        /* The chosen tab's panel is the one that is not hidden. */
        show: function (tab, keys) {
            return keys.slice(1).map((key) => key !== tab);
        },

        pace: function (seconds) {
            const paused = Number(seconds) === 0;
            return [paused ? NO_UPDATE() : Number(seconds) * 1000, paused];
        },

        scheme: showScheme,

        health: function (health) {
            if (triggered().some((prop) => prop.endsWith(".data"))) healthAt = Date.now();
            if (!health) return ["connecting…", "drm-health"];
            if (health.age === null) {
                return [health.error ? "cannot start: " + health.error : "starting…", "drm-health" + (health.error ? " drm-health-bad" : "")];
            }
            const silent = (Date.now() - healthAt) / 1000, age = health.age + silent;
            const failed = health.errors ? ", " + health.errors + (health.errors === 1 ? " tick" : " ticks") + " failed" : "";
            if (!health.ok) return ["controller: " + health.error + failed, "drm-health drm-health-bad"];
            const late = age > 3 * health.interval + 2;
            return [(late ? "no tick for " : "last tick ") + (age < 1 ? "now" : Math.round(age) + " s" + (late ? "" : " ago")) + failed,
                "drm-health " + (late || failed ? "drm-health-late" : "drm-health-ok")];
        },

        /* One callback both ways, as Dash asks for a circle: the address sets the controls when it changed, else they set the address. */
        address: function (search, ...rest) {
            const rules = rest.pop(), selected = rest.pop(), values = rest;
            const fromAddress = triggered().length === 0 || triggered().some((prop) => prop.endsWith(".search"));
            if (fromAddress) {
                const query = new URLSearchParams(search);
                const chosen = rules.map((rule) => rule.values.includes(query.get(rule.name)) ? query.get(rule.name) : rule.default);
                const worker = query.get("worker");
                const opened = worker === (selected.worker || null) ? NO_UPDATE() : { worker: worker, group: null };
                return [NO_UPDATE(), ...chosen.map((value, index) => value === values[index] ? NO_UPDATE() : value), opened];
            }
            const query = new URLSearchParams();
            rules.forEach((rule, index) => { if (values[index] !== rule.default) query.set(rule.name, values[index]); });
            if (selected.worker) query.set("worker", selected.worker);
            const wanted = query.size ? "?" + query.toString() : "";
            return [wanted === search ? NO_UPDATE() : wanted, ...rules.map(NO_UPDATE), NO_UPDATE()];
        },

        /* A click on a row opens its worker, or its group; the buttons close them again. */
        select: function (click, all, close, figure, selected) {
            const by = (triggered()[0] || "").split(".")[0];
            if (by === inputId(1)) return Object.assign({}, selected, { group: null });
            if (by === inputId(2)) return Object.assign({}, selected, { worker: null });
            if (!click || !figure || !figure.members) return NO_UPDATE();
            const members = figure.members[figure.data[0].y.indexOf(click.points[0].y)] || [];
            if (members.length === 0) return NO_UPDATE();
            return members.length === 1 ? Object.assign({}, selected, { worker: members[0] }) : Object.assign({}, selected, { group: members });
        },

        /* The open worker gets its tab's tick; without one its card is hidden and nothing is asked of the server. */
        relay: function (tick, selected, busy) {
            const worker = selected && selected.worker;
            const clockOnly = !triggered().some((prop) => prop.startsWith(inputId(1) + "."));
            if (!worker || !tick || clockOnly && busy) return [!worker, NO_UPDATE()];
            return [false, Object.assign({}, tick, { worker: worker })];
        },

        /* What the reader zoomed into, by axis. Plotly's own memory of it (uirevision) does not outlive an axis that ranges itself. */
        zoom: function (change, figure, zoomed) {
            const revision = figure && figure.layout.uirevision;
            const axes = zoomed && zoomed.revision === revision ? Object.assign({}, zoomed.axes) : {};
            let told = false;
            for (const [name, value] of Object.entries(change || {})) {
                const [, axis, end] = name.match(/^([xy]axis\d*)\.(?:range\[([01])\]|autorange)$/) || [];
                if (!axis) continue;
                told = true;
                if (end) axes[axis] = Object.assign([], axes[axis], { [end]: value });
                else delete axes[axis];
            }
            return told ? { revision: revision, axes: axes } : NO_UPDATE();
        },

        draw: function (figure, zoomed) {
            if (!figure) return [NO_UPDATE(), { display: "none" }];
            if (!figure.data.length) return [{ data: [], layout: {} }, { display: "none" }];
            const traces = figure.data.map((trace) => Object.assign({}, trace, { x: trace.x.map(local) }));
            if (figure.cells) fillCells(traces[0], figure.cells);
            const layout = Object.assign({}, figure.layout);
            if (zoomed && zoomed.revision === layout.uirevision) {
                for (const [axis, range] of Object.entries(zoomed.axes)) layout[axis] = Object.assign({}, layout[axis], { range: range, autorange: false });
            }
            [80, 300].forEach((delay) => setTimeout(hoverAgain, delay));
            return [{ data: traces, layout: layout }, { height: figure.layout.height + "px" }];
        },
    } });
})();
