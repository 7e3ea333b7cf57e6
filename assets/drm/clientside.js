/* The page's own code: which tab gets a tick, what stands in the address, and the last step of every figure. */
(function () {
    "use strict";

    const NO_UPDATE = () => window.dash_clientside.no_update;
    const triggered = () => window.dash_clientside.callback_context.triggered.map((one) => one.prop_id);
    const inputId = (index) => window.dash_clientside.callback_context.inputs_list[index].id;

    /* Times of the server are epoch seconds; Plotly draws a date as it is written, so it gets the browser's wall clock. */
    function local(seconds) {
        if (seconds === null) return null;
        const date = new Date(seconds * 1000);
        return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
    }

    const clock = (seconds) => new Date(seconds * 1000).toLocaleString(undefined,
        { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

    window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {
        drmTime: (seconds) => typeof seconds === "number" ? clock(seconds) : "",
    });

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

    /* A text from outside for a figure, in which Plotly reads some HTML. */
    const harmless = (text) => text.slice(0, 80).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

    const isTime = (figure, axis) => Boolean(figure) && (figure.layout[axis] || {}).type === "date";

    /* `hottest`: of each row of several workers the one to look for, as text for a figure. */
    function fillCells(trace, cells, hottest) {
        const whole = cells.capacity.every((capacity) => capacity > 0);
        const told = { max: "%{text:.0f} % (max %{z:.0f} %)", mean: "%{z:.0f} % (max %{text:.0f} %)", high: "95 of 100 at most %{z:.0f} % (mean %{text:.0f} %)" };
        trace.z = matrix(cells[cells.show], cells, () => cells.percent);
        trace.text = matrix(cells.show === "mean" ? cells.max : cells.mean, cells, () => cells.percent);
        trace.customdata = matrix(cells.mean, cells, (row) => cells.percent / 100 * cells.capacity[row]);
        const amount = whole ? "<br>%{customdata:.3~g} " + cells.unit : "";
        trace.hovertemplate = "<b>%{y}</b><br>%{x|%b %d, %H:%M:%S}<br>" + cells.title + " " + cells.measure +
            ": " + told[cells.show] + amount + "%{hovertext}<extra></extra>";
        const columns = trace.x.length;
        trace.hovertext = hottest.map((worker) => new Array(columns).fill(worker && "<br>highest: " + worker));
    }

    /* A bar in time begins at its base, and its x is how many seconds it lasts. What has no x is drawn over the figure's times. */
    const dated = (trace, times) => Object.assign({}, trace, trace.base ?
        { base: trace.base.map(local), x: trace.x.map((seconds) => seconds * 1000) } : { x: trace.x ? trace.x.map(local) : times });

    /* Plotly fills across gaps. An area with gaps becomes a trace of its own, which goes down to zero where a run of known values ends. */
    function areas(traces) {
        const cut = (trace) => {
            const x = [], y = [];
            trace.y.forEach((value, index) => {
                const at = trace.x[index], isKnown = (other) => trace.y[other] !== null && trace.y[other] !== undefined;
                if (!isKnown(index)) return;
                const values = [...(isKnown(index - 1) ? [] : [0]), value, ...(isKnown(index + 1) ? [] : [0])];
                values.forEach((one) => { x.push(at); y.push(one); });
            });
            return Object.assign({}, trace, { x: x, y: y, line: Object.assign({}, trace.line, { width: 0 }), hoverinfo: "skip", hovertemplate: null, showlegend: false });
        };
        const filled = traces.filter((trace) => trace.fill === "tozeroy" && hasGap(trace.y));
        filled.forEach((trace) => traces.push(cut(trace)));
        filled.forEach((trace) => { trace.fill = "none"; });
        return traces;
    }

    function hasGap(values) {
        const known = values.map((value) => value !== null), last = known.lastIndexOf(true);
        return known.slice(known.indexOf(true), last + 1).includes(false);
    }

    /* What stands under the pointer: of which row, what is told, from when until when, and why. */
    function fillSpans(trace, names) {
        const when = ([from, to]) => to === null ? "since " + clock(from) : from === to ? clock(from) : clock(from) + " to " + clock(to);
        trace.customdata = trace.spans.map((span, index) => "<b>" + names[trace.y[index]] + "</b><br>" + trace.told[index] + "<br>" +
            when(span) + (trace.why[index] && "<br>" + trace.why[index]));
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

    /* Numbers come with the same tick as figures, and take a fraction of the time: they are painted first. Then each figure in its turn,
       so that a page of several answers its reader between two of them. */
    const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
    let lastTurn = Promise.resolve();

    function painted() {
        const turn = lastTurn.then(nextFrame);
        lastTurn = turn.then(nextFrame);
        return turn;
    }

    /* What was just opened may lie below the screen's edge; it has its height only once it is filled. */
    function bringIntoView(id) {
        setTimeout(() => document.getElementById(id).scrollIntoView({ block: "nearest", behavior: "smooth" }), 400);
    }

    /* A page of the table keeps its rows until the new ones are there; an empty one has no block that could be refreshed. The component
       answers the newest request only, so nothing is asked for while one is under way, but for one that was lost. */
    const LEDGER_WAIT = 400, LEDGER_TRIES = 10;
    let ledgerTimer = 0;

    function refreshLedger(grid, tries) {
        const loading = Object.values(grid.getCacheBlockState() || {}).some((block) => block.pageStatus !== "loaded");
        if (loading && tries < LEDGER_TRIES) ledgerTimer = setTimeout(() => refreshLedger(grid, tries + 1), LEDGER_WAIT);
        else if (loading || !grid.getDisplayedRowCount()) grid.purgeInfiniteCache();
        else grid.refreshInfiniteCache();
    }

    /* When each tick was handed on. Dash leaves "busy" as it is where a request had no answer at all. An answer may as well be long under
       way on a slow line, where more requests would only make it later: each time it is waited twice as long. */
    const BUSY_AT_MOST = 10000, BUSY_LONGEST = 160000;
    let handedAt = {}, patience = {};
    document.addEventListener("drm-contact", () => { handedAt = {}; patience = {}; });

    /* Whether a tick may be handed to what `key` names: not by the clock alone while its last answer is on its way. */
    function mayHand(key, clockOnly, busy) {
        const most = patience[key] || BUSY_AT_MOST;
        if (clockOnly && busy && Date.now() - handedAt[key] < most) return false;
        patience[key] = clockOnly && busy ? Math.min(2 * most, BUSY_LONGEST) : BUSY_AT_MOST;
        handedAt[key] = Date.now();
        return true;
    }

    /* Whether a tick is of another moment than the last one that came to `key`. */
    const handedMoment = {};
    function movedInTime(key, tick) {
        const moved = Boolean(tick) && handedMoment[key] !== tick.at;
        if (tick) handedMoment[key] = tick.at;
        return moved;
    }

    /* What this page calls itself, so that the server can say how many look on. */
    const PAGE = Math.random().toString(36).slice(2) + Date.now().toString(36);

    /* A longer address is not one that every server and chat takes. */
    const GROUP_IN_ADDRESS = 4000;
    const PLAY_GAP = 10, BRUSHES = 20, SHORTEST_RANGE = 10;
    let playedAt = 0, isPresentKnown = false;

    /* Epoch seconds of a date as Plotly or a field writes it, which is the browser's wall clock. */
    function epoch(text) {
        const [day, time] = String(text).replace("T", " ").split(" ");
        return new Date(day + "T" + (time || "00:00").slice(0, 12)).getTime() / 1000;
    }

    /* A moment as it stands in the address; what the pool has not reached is the present. */
    const momentText = (moment, now) => !(moment < now) ? "" : String(moment);

    /* What an axis of time was dragged or zoomed to; true where it was set back; null where that is not what happened. */
    function brushedTo(change) {
        const ends = [];
        for (const [name, value] of Object.entries(change || {})) {
            const [, end] = name.match(/^xaxis\d*\.range\[([01])\]$/) || [];
            if (end && typeof value === "string") ends[end] = epoch(value);
            if (/^xaxis\d*\.autorange$/.test(name) && value) return true;
        }
        return ends.length === 2 && ends[0] < ends[1] ? ends : null;
    }

    window.dash_clientside = Object.assign({}, window.dash_clientside, { drm: {
        /* Hands the clock on to the header, which stands first in `keys`, and to the visible tab; not while their last answer is on its way. */
        route: function (n, tab, range, at, colours, keys, ...busy) {
            const clockOnly = triggered().every((prop) => prop.endsWith(".n_intervals"));
            if (clockOnly && document.hidden) return;
            const ticks = window.dash_clientside.callback_context.states_list.slice(-keys.length);
            keys.forEach((key, index) => {
                const visible = index === 0 || key === tab;
                if (!visible) return;
                const tick = { n: n || 0, range: range, at: at, scheme: colours, sent: Date.now(), page: PAGE };
                if (mayHand(key, clockOnly, busy[index])) window.dash_clientside.set_props(ticks[index].id, { data: tick });
                else document.dispatchEvent(new Event("drm-skipped"));
            });
        },

        /* The chosen tab's panel is the one that is not hidden. */
        show: function (tab, keys) {
            return keys.slice(1).map((key) => key !== tab);
        },

        scheme: showScheme,

        /* Links to the tables of the tab, of the range and the moment that are shown. A new tab, so that a refusal can be read there. */
        save: function (tab, range, at, saved, feed) {
            const component = (type, props) => ({ type: type, namespace: "dash_html_components", props: props });
            const query = (name, format) => new URLSearchParams(Object.assign({ tab: tab, table: name, format: format, range: range }, at === "" ? {} : { at: at }));
            return saved.tables[tab].map((one) => component("Div", {
                className: "drm-save-table",
                children: [component("Span", { children: one.label }), ...Object.entries(saved.formats).map(([format, text]) => component("A", {
                    children: text, className: "dropdown-item", href: feed.export + "?" + query(one.name, format), target: "_blank",
                    title: "Save: " + one.label + ", as " + text,
                }))],
            }));
        },

        /* One callback both ways, as Dash asks for a circle: the address sets the controls when it changed, else they set the address. */
        address: function (search, ...rest) {
            const rules = rest.pop(), still = rest.pop(), selected = rest.pop(), values = rest;
            const fromAddress = triggered().length === 0 || triggered().some((prop) => prop.endsWith(".search"));
            if (fromAddress) {
                const query = new URLSearchParams(search);
                const allowed = (rule, value) => value === rule.default || rule.values.includes(value)
                    || rule.pattern && new RegExp("^(?:" + rule.pattern + ")$").test(value);
                const refused = rules.filter((rule) => query.has(rule.name) && !allowed(rule, query.get(rule.name)));
                const chosen = rules.map((rule) => query.has(rule.name) && !refused.includes(rule) ? query.get(rule.name) : rule.default);
                const words = refused.map((rule) => "The address asks for " + rule.name + "=" + query.get(rule.name).slice(0, 40)
                    + ", which must be " + [rule.values.filter(Boolean).join(", "), rule.rule].filter(Boolean).join(", or ")
                    + ": this shows " + (rule.default || rule.instead) + ".");
                const worker = query.get("worker"), group = query.has("group") ? query.get("group").split("\n") : null;
                const isOpen = worker === (selected.worker || null) && String(group) === String(selected.group || null);
                const opened = isOpen ? NO_UPDATE() : { worker: worker, group: group };
                return [NO_UPDATE(), ...chosen.map((value, index) => value === values[index] ? NO_UPDATE() : value), opened, words.join(" ")];
            }
            /* A page that is played would fill the browser's history. */
            if (!still) return [NO_UPDATE(), ...rules.map(NO_UPDATE), NO_UPDATE(), NO_UPDATE()];
            const query = new URLSearchParams();
            rules.forEach((rule, index) => { if (values[index] !== rule.default) query.set(rule.name, values[index]); });
            if (selected.worker) query.set("worker", selected.worker);
            if (selected.group && selected.group.join("\n").length <= GROUP_IN_ADDRESS) query.set("group", selected.group.join("\n"));
            const wanted = query.size ? "?" + query.toString() : "";
            return [wanted === search ? NO_UPDATE() : wanted, ...rules.map(NO_UPDATE), NO_UPDATE(), ""];
        },

        /* Steps in time that need no answer of the server. */
        moment: function (look, live, back, on, explained, jump, at, health, explainedAt) {
            const by = (triggered()[0] || "").split(".")[0], now = health ? health.now : null, from = at === "" ? now : Number(at);
            const wanted = [from - 60, Infinity, from - 60, from + 60, explainedAt ? explainedAt[0] : NaN, epoch(jump)];
            const index = wanted.findIndex((_, place) => by === inputId(place)), moment = wanted[index];
            if (now === null || Number.isNaN(moment) || (index === 5 && Math.floor(from) === moment)) return [NO_UPDATE(), NO_UPDATE()];
            return [momentText(moment, now), index === 5 && moment > now ? "That moment lies in the future: this is live." : ""];
        },

        /* The bar of a moment. */
        past: function (at) {
            if (at === "") return [true, "", "", "Why not now?"];
            return [false, clock(Number(at)), local(Number(at)).slice(0, 19), "Why not then?"];
        },

        playing: function (clicks, at, still) {
            if (at === "" || triggered().length === 0) return [true, "Play"];
            if (!triggered().some((prop) => prop.startsWith(inputId(0) + "."))) return [NO_UPDATE(), NO_UPDATE()];
            playedAt = Date.now();
            return still ? [false, "Pause"] : [true, "Play"];
        },

        /* Lets time go on, as fast as the answers come: the next step is taken once the last one is shown. */
        play: function (n, at, speed, health, ...busy) {
            const passed = (Date.now() - playedAt) / 1000;
            if (at === "" || !health || (busy.some(Boolean) && passed < PLAY_GAP)) return [NO_UPDATE(), NO_UPDATE()];
            playedAt = Date.now();
            if (document.hidden) return [NO_UPDATE(), NO_UPDATE()];
            return [momentText(Number(at) + Math.min(passed, PLAY_GAP) * Number(speed), health.now), ""];
        },

        /* Dragging over an axis of time sets the range and the moment of all tabs; a double click takes that back. */
        brush: function (...rest) {
            const [range, at, brushed, health] = rest.slice(-4), [one] = window.dash_clientside.callback_context.triggered;
            const nothing = [NO_UPDATE(), NO_UPDATE(), NO_UPDATE()], ends = brushedTo(one && one.value), last = brushed[brushed.length - 1];
            if (ends === null || !health || health.now === null) return nothing;
            if (ends === true) {
                /* The next double click says the same, and Dash would take it for no news. */
                setTimeout(() => window.dash_clientside.set_props(one.prop_id.split(".")[0], { relayoutData: null }), 0);
                if (!last) return nothing;
                if (last.range !== range || last.at !== at) return [NO_UPDATE(), NO_UPDATE(), []];
                return [last.before.range, last.before.at, brushed.slice(0, -1)];
            }
            const until = Math.min(ends[1], health.now), seconds = Math.max(SHORTEST_RANGE, Math.round(until - ends[0]));
            const next = { range: seconds + "s", at: momentText(until, health.now), before: { range: range, at: at } };
            return [next.range, next.at, [...brushed.slice(1 - BRUSHES), next]];
        },

        /* A range or a moment that cannot be shown leaves the controls, and with them the address. */
        dropTime: function (health) {
            const [range, at] = window.dash_clientside.callback_context.states_list;
            if (health && health.default_range) window.dash_clientside.set_props(range.id, { value: health.default_range });
            if (health && health.is_future) window.dash_clientside.set_props(at.id, { data: "" });
        },

        /* What needs to know the server's present can be clicked from then on. */
        presentKnown: function (health) {
            const first = Boolean(health) && health.now !== null && !isPresentKnown;
            isPresentKnown = isPresentKnown || first;
            return first ? [false, false] : [NO_UPDATE(), NO_UPDATE()];
        },

        /* The fields of a range of one's own begin with what is shown. */
        openSpan: function (clicks, hidden, health) {
            if (!hidden || !health) return [true, NO_UPDATE(), NO_UPDATE()];
            const first = window.dash_clientside.callback_context.outputs_list[1].id;
            setTimeout(() => document.getElementById(first).focus(), 50);
            return [false, ...[health.end - health.range, health.end].map((end) => local(end).slice(0, 19))];
        },

        askSpan: function (clicks, from, to) {
            return [from, to].map((text) => text && !Number.isNaN(epoch(text)) ? [text, epoch(text)] : null);
        },

        /* A click on a row opens its worker, or its group; the buttons close them again. */
        select: function (click, all, close, figure, selected) {
            const by = (triggered()[0] || "").split(".")[0];
            const set = (change) => [Object.assign({}, selected, change), NO_UPDATE()];
            if (by === inputId(1)) return set({ group: null });
            if (by === inputId(2)) return set({ worker: null });
            const row = click && figure && figure.members ? figure.data[0].y.indexOf(click.points[0].y) : -1;
            if (row >= 0 && figure.members[row].length) return set({ worker: figure.members[row][0] });
            return [NO_UPDATE(), row >= 0 && figure.hottest[row] ? { worker: figure.hottest[row], at: Date.now() } : NO_UPDATE()];
        },

        /* Filters that ask for nothing. */
        cleared: function (clicks, rules) {
            return window.dash_clientside.callback_context.outputs_list.map((one) => rules.find((rule) => rule.component === one.id).default);
        },

        /* The open worker gets its tab's tick; without one its card is hidden and nothing is asked of the server. */
        relay: function (tick, selected, busy) {
            const worker = selected && selected.worker;
            const clockOnly = !movedInTime("relay", tick) && !triggered().some((prop) => prop.startsWith(inputId(1) + "."));
            if (!worker || !tick || !mayHand("relay", clockOnly, busy)) return [!worker, NO_UPDATE()];
            return [false, Object.assign({}, tick, { worker: worker })];
        },

        /* The mark or row that was clicked, the present tick, or nothing. Of marks at the same time the one next to the pointer counts. */
        pickDecision: function (click, cell, rows) {
            const by = triggered().map((prop) => prop.split(".")), named = (index) => by.some(([id]) => id === inputId(index));
            if (named(3)) return "now";
            if (named(4)) return "";
            if (named(1)) {
                if (by.some(([, prop]) => prop === "cellClicked") && cell) return String(cell.rowId);
                return rows && rows.length ? rows[0].id : NO_UPDATE();
            }
            const marks = ((click && click.points) || []).filter((point) => point.customdata !== undefined && point.customdata !== null);
            const distance = (point) => point.bbox ? Math.abs((point.bbox.y0 + point.bbox.y1) / 2 - pointer.y) : 0;
            marks.sort((one, other) => distance(one) - distance(other));
            return marks.length ? String(marks[0].customdata) : NO_UPDATE();
        },

        /* The explained decision gets its tab's tick, as an open worker does. */
        relayDecision: function (tick, decision, busy) {
            const opened = triggered().some((prop) => prop.startsWith(inputId(1) + ".")), moved = movedInTime("relayDecision", tick);
            if (!decision || !tick || !mayHand("relayDecision", !opened && !moved, busy)) return [!decision, NO_UPDATE()];
            if (opened) bringIntoView(window.dash_clientside.callback_context.outputs_list[0].id);
            return [false, Object.assign({}, tick, { decision: decision })];
        },

        /* The panel about the dashboard gets the header's tick while it is open. */
        relayAbout: function (tick, clicks, busy) {
            const open = (clicks || 0) % 2 === 1, opened = triggered().some((prop) => prop.startsWith(inputId(1) + "."));
            const told = open && tick && mayHand("relayAbout", !opened, busy);
            return [!open, String(open), told ? tick : NO_UPDATE()];
        },

        /* What comes after a tab's figures gets its tick when they have come. */
        passDrawn: (drawn, tick) => tick,

        span: function (times) {
            if (!times) return "";
            const [from, until] = times.map(clock);
            return from === until ? from : from + " to " + until;
        },

        refreshLedger: function (state, id) {
            clearTimeout(ledgerTimer);
            window.dash_ag_grid.getApiAsync(id).then((grid) => refreshLedger(grid, 0));
        },

        /* What the reader zoomed into, by axis but those of time. Plotly's own memory of it (uirevision) does not outlive an axis that ranges itself. */
        zoom: function (change, figure, zoomed) {
            const revision = figure && figure.layout.uirevision;
            const axes = zoomed && zoomed.revision === revision ? Object.assign({}, zoomed.axes) : {};
            let told = false;
            for (const [name, value] of Object.entries(change || {})) {
                const [, axis, end] = name.match(/^([xy]axis\d*)\.(?:range\[([01])\]|autorange)$/) || [];
                if (!axis || isTime(figure, axis)) continue;
                told = true;
                if (end) axes[axis] = Object.assign([], axes[axis], { [end]: value });
                else delete axes[axis];
            }
            return told ? { revision: revision, axes: axes } : NO_UPDATE();
        },

        draw: async function (figure, zoomed) {
            if (figure) await painted();
            if (!figure) return [NO_UPDATE(), { display: "none" }];
            if (!figure.data.length) return [{ data: [], layout: {} }, { display: "none" }];
            const times = (figure.times || []).map(local);
            const traces = areas(figure.data.map((trace) => isTime(figure, "xaxis" + (trace.xaxis || "x").slice(1)) ? dated(trace, times) : Object.assign({}, trace)));
            if (figure.cells) fillCells(traces[0], figure.cells, figure.hottest.map(harmless));
            if (figure.names) traces.forEach((trace) => fillSpans(trace, figure.names));
            const layout = Object.assign({}, figure.layout);
            /* Where an axis of time was dragged to is what the whole page shows: nothing of it is kept here. */
            for (const [name, axis] of Object.entries(layout)) {
                if (!isTime(figure, name)) continue;
                layout[name] = Object.assign({}, axis, { uirevision: Math.random() }, axis.range ? { range: axis.range.map(local) } : {});
            }
            if (zoomed && zoomed.revision === layout.uirevision) {
                for (const [axis, range] of Object.entries(zoomed.axes)) layout[axis] = Object.assign({}, layout[axis], { range: range, autorange: false });
            }
            [80, 300].forEach((delay) => setTimeout(hoverAgain, delay));
            return [{ data: traces, layout: layout }, { height: figure.layout.height + "px", minWidth: (figure.least_width || 0) + "px" }];
        },
    } });
})();
