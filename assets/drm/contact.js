/* Contact with the server: ticks over a websocket where it pushes them, else the page's own clock, and words for what is known of it. */
(function () {
    "use strict";

    const WATCH = 500, SILENCE = 1500, PING_TIMEOUT = 2000, PING_EVERY = 1000, SOCKET_SILENCE = 4000, RETRY = { first: 500, most: 5000 };

    const page = {
        ids: {}, feed: {}, period: 0, due: 0, heardAt: 0, pingedAt: 0, watchedAt: 0, lostAt: null, shut: false,
        socket: null, socketAt: 0, pushed: false, broken: false, arrived: false, retry: RETRY.first, timer: 0,
        health: null, healthAt: 0, said: {},
    };

    const seconds = (milliseconds) => Math.round(milliseconds / 1000) + " s";
    const clock = (milliseconds) => new Date(milliseconds).toTimeString().slice(0, 8);
    const set = (id, props) => window.dash_clientside.set_props(id, props);

    /* Props of a component, where they are not what was said last: an unchanged text must not be rendered, nor read out, again. */
    function say(id, props) {
        const text = JSON.stringify(props);
        if (!id || page.said[id] === text) return;
        page.said[id] = text;
        set(id, props);
    }

    function clockProps() {
        const props = { disabled: page.period === 0 || page.pushed || page.shut || page.lostAt !== null };
        return page.period ? Object.assign(props, { interval: page.period }) : props;
    }

    function wayProps() {
        const late = "drm-way drm-health-late";
        if (page.lostAt !== null) return { children: "trying again", className: late };
        if (page.shut) return { children: "", className: "drm-way" };
        if (page.period === 0) return { children: "paused", className: "drm-way" };
        const every = seconds(page.period);
        if (page.pushed) return { children: page.period > 1000 ? "pushed, at most every " + every : "pushed", className: "drm-way" };
        if (page.broken) return { children: "push interrupted, polled every " + every, className: late };
        return { children: "polled every " + every, className: "drm-way" };
    }

    function healthProps() {
        const health = page.health, bad = "drm-health drm-health-bad";
        const dataAt = health && health.age !== null ? page.healthAt - health.age * 1000 : null;
        if (page.lostAt !== null) {
            const data = dataAt === null ? "" : ": the data is of " + clock(dataAt);
            return { children: "no contact with the server since " + clock(page.lostAt) + data, className: bad };
        }
        if (page.shut) return { children: "your session has ended: reload the page to log in", className: bad };
        if (!health) return { children: "connecting…", className: "drm-health" };
        if (dataAt === null) {
            return { children: health.error ? "cannot start: " + health.error : "starting…", className: health.error ? bad : "drm-health" };
        }
        const failed = health.errors ? ", " + health.errors + (health.errors === 1 ? " tick" : " ticks") + " failed" : "";
        if (!health.ok) return { children: "controller: " + health.error + failed, className: bad };
        if (page.period === 0) return { children: "the data is of " + clock(dataAt), className: "drm-health" };
        /* With a slow refresh the controller may have ticked since: what is old then is what the page knows. */
        const age = (Date.now() - dataAt) / 1000, known = page.period > 2000 ? health.age : age;
        const late = known > 3 * health.interval + 2;
        return {
            children: (late ? "no tick for " : "last tick ") + (age < 1 ? "now" : seconds(age * 1000) + (late ? "" : " ago")) + failed,
            className: "drm-health " + (late || failed ? "drm-health-late" : "drm-health-ok"),
        };
    }

    function sayAll() {
        say(page.ids.clock, clockProps());
        say(page.ids.way, wayProps());
        say(page.ids.health, healthProps());
    }

    /* Milliseconds between two ticks of the controller. */
    const tickEvery = () => page.health ? page.health.interval * 1000 : 1000;

    /* As if the page's clock had ticked. Any number will do that is not the last one. */
    function draw() {
        const now = Date.now();
        clearTimeout(page.timer);
        page.arrived = false;
        /* Counted from this drawing, not from the last due time: a page that drew late once must not draw late ever after. Where the
           controller ticks no more often than the reader chose, its ticks are the pace. */
        page.due = now + (tickEvery() < page.period ? page.period - tickEvery() / 4 : page.period / 4);
        set(page.ids.clock, { n_intervals: now });
        ask();
    }

    /* Draws the first tick that comes when the reader's pace allows it. One that comes long before is left for a newer one to replace;
       should there be none, it is drawn after all. */
    function pump() {
        clearTimeout(page.timer);
        if (!page.arrived || page.period === 0 || document.hidden) return;
        const wait = page.due - Date.now(), soon = wait <= tickEvery() / 4;
        if (wait <= 0) {
            draw();
            return;
        }
        if (!soon) ask();
        page.timer = setTimeout(draw, soon ? wait : wait + tickEvery());
    }

    function ask() {
        if (page.socket && page.socket.readyState === WebSocket.OPEN) page.socket.send("next");
    }

    function connect() {
        if (!page.feed.ticks || page.socket || page.shut) return;
        const url = new URL(page.feed.ticks, location.href);
        url.protocol = url.protocol.replace("http", "ws");
        const socket = page.socket = new WebSocket(url);
        page.socketAt = Date.now();
        socket.onopen = () => { page.pushed = true; page.broken = false; page.retry = RETRY.first; heard(); ask(); sayAll(); };
        socket.onmessage = (event) => {
            page.socketAt = Date.now();
            heard();
            if ("version" in JSON.parse(event.data)) { page.arrived = true; pump(); }
        };
        socket.onclose = () => { if (page.socket === socket) drop(); };
    }

    /* Lets go of a socket that closed, or that says nothing any more; the page polls until there is another. */
    function drop() {
        const socket = page.socket;
        page.socket = null;
        socket.close();
        page.pushed = false;
        page.broken = true;
        sayAll();
        setTimeout(connect, page.retry * (0.75 + Math.random() / 2));
        page.retry = Math.min(2 * page.retry, RETRY.most);
        ping();
    }

    function heard() {
        page.heardAt = Date.now();
        if (page.lostAt === null) return;
        page.lostAt = null;
        document.dispatchEvent(new Event("drm-contact"));
        connect();
        sayAll();
        if (page.period) draw();
    }

    /* Any answer is contact, a refusal too. A door that asks for the token again says that this page's session has ended: only then is
       nothing asked for any more but whether it was opened again, in another tab of the browser. */
    function noteDoor(isShut) {
        if (page.shut === isShut) return;
        page.shut = isShut;
        sayAll();
        if (isShut) return;
        connect();
        if (page.period) draw();
    }

    async function ping() {
        if (Date.now() - page.pingedAt < PING_EVERY) return;
        page.pingedAt = Date.now();
        try {
            const answer = await fetch(page.feed.ping, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PING_TIMEOUT) });
            heard();
            noteDoor(answer.status === 401);
        } catch (_) {
            if (page.lostAt === null && Date.now() - page.heardAt > PING_EVERY) page.lostAt = page.heardAt;
            sayAll();
        }
    }

    function watch() {
        if (document.hidden) return;
        const now = Date.now();
        /* A page that could not even look for so long has frames waiting: they are heard before anything is concluded from silence. */
        if (now - page.watchedAt > SILENCE) page.socketAt = Math.max(page.socketAt, now - SILENCE);
        page.watchedAt = now;
        if (page.socket && now - page.socketAt > SOCKET_SILENCE) drop();
        if (now - page.heardAt > SILENCE) ping();
        sayAll();
    }

    function begin() {
        page.heardAt = Date.now();
        connect();
        setInterval(watch, WATCH);
        document.addEventListener("visibilitychange", () => { if (!document.hidden && page.period) draw(); });
        /* Where a tab was still busy with its last tick: the clock ticks again by itself, the server may not for a while. */
        document.addEventListener("drm-skipped", () => { if (page.pushed) setTimeout(() => set(page.ids.clock, { n_intervals: Date.now() }), 200); });
    }

    Object.assign(window.dash_clientside.drm, {
        /* The reader's choice of a pace; 0 is a pause. */
        pace: function (chosen, feed) {
            const first = !page.ids.clock, outputs = window.dash_clientside.callback_context.outputs_list;
            Object.assign(page, { period: Number(chosen) * 1000, feed: feed, due: 0 });
            Object.assign(page.ids, { clock: outputs[0].id, way: outputs[2].id });
            if (first) begin();
            setTimeout(pump, 0);
            const clock = clockProps(), way = wayProps();
            page.said[page.ids.clock] = JSON.stringify(clock);
            page.said[page.ids.way] = JSON.stringify(way);
            return [clock.interval || window.dash_clientside.no_update, clock.disabled, way.children, way.className];
        },

        /* What the server says of the controller, and the page of the server. */
        health: function (health, asked) {
            page.ids.health = window.dash_clientside.callback_context.outputs_list[0].id;
            if (health) {
                /* Counted from the question: how long the answer was under way, on a slow line, makes what it says older. By this page's own
                   tick: the answer is the same for all pages, and their clocks are not. */
                Object.assign(page, { health: health, healthAt: (asked && asked.sent) || Date.now() });
                heard();
            }
            const props = healthProps();
            page.said[page.ids.health] = JSON.stringify(props);
            return [props.children, props.className];
        },
    });
})();
