/* What changes the pool: the server says what would happen, a person confirms it, the server does it. Nothing of this is there unless the
   program was started with its actions. What a button does stands on the button. */
(function () {
    "use strict";

    const TITLES = { cordon: "Cordon this worker?", uncordon: "Uncordon this worker?", drain: "Drain this worker?",
        bounds: "Change the bounds of the pool?", policy: "Change the scaling policy?" };
    const CONFIRMS = { cordon: "Cordon", uncordon: "Uncordon", drain: "Drain", bounds: "Change bounds", policy: "Change policy" };

    function element(name, properties, ...children) {
        const made = Object.assign(document.createElement(name), properties);
        made.append(...children);
        return made;
    }

    async function send(panel, action, body) {
        try {
            const answer = await fetch(panel.dataset.drmActions + "/" + action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
            const told = await answer.json().catch(() => ({}));
            return { ok: answer.ok, text: answer.ok ? told.sentence : told.detail || told.error || "The server answered " + answer.status + ".", told: told };
        } catch (error) {
            return { ok: false, text: "The server does not answer: nothing was changed.", told: {} };
        }
    }

    /* The browser's own dialog keeps the focus inside, closes with Escape, and gives the focus back. */
    async function ask(panel, action, body) {
        const will = await send(panel, action, Object.assign({ preview: true }, body));
        const words = element("p", { textContent: sentence(will.text), className: will.ok ? "" : "drm-warning" });
        words.setAttribute("role", "alert");
        const cancel = element("button", { textContent: will.ok ? "Cancel" : "Close", type: "button", className: "btn btn-sm drm-button" });
        const confirm = element("button", { textContent: CONFIRMS[action], type: "button", className: "btn btn-sm drm-ask" });
        const title = element("h2", { textContent: will.ok ? TITLES[action] : "This is not possible now" });
        const dialog = element("dialog", { className: "drm-dialog" }, title, words,
            element("div", { className: "drm-dialog-ends" }, cancel, ...(will.ok ? [confirm] : [])));
        dialog.setAttribute("aria-label", title.textContent);
        dialog.addEventListener("close", () => dialog.remove());
        cancel.addEventListener("click", () => dialog.close());
        confirm.addEventListener("click", async () => {
            confirm.disabled = true;
            const done = await send(panel, action, body);
            if (!done.ok) {
                words.textContent = sentence(done.text);
                words.className = "drm-warning";
                confirm.remove();
                cancel.textContent = "Close";
                return;
            }
            dialog.close();
            say(panel.nextElementSibling, done.text + (done.told.decision ? " It is kept in the ledger as decision " + done.told.decision + "." : ""));
            fill(panel);
        });
        document.body.append(dialog);
        dialog.showModal();
        cancel.focus();
    }

    const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

    function say(place, text) {
        place.replaceChildren(text + " ", element("button", { textContent: "Dismiss", type: "button", className: "drm-link", onclick: () => place.replaceChildren() }));
    }

    function field(name, label, value, rule) {
        const input = element("input", Object.assign({ type: "number", name: name, value: value, className: "form-control form-control-sm", required: true }, rule));
        return element("label", { className: "drm-choice", title: rule.title || "" }, element("span", { textContent: label }), input);
    }

    const words = (name) => name.replaceAll("_", " ");

    function form(panel, action, legend, read, ...fields) {
        const button = element("button", { textContent: CONFIRMS[action] + "…", type: "submit", className: "btn btn-sm drm-button" });
        const made = element("form", { className: "drm-time-part", noValidate: true }, element("strong", { textContent: legend }), ...fields, button);
        made.addEventListener("submit", (event) => {
            event.preventDefault();
            ask(panel, action, read(made));
        });
        return made;
    }

    const number = (input) => input.value.trim() === "" ? null : Number(input.value);

    function bounds(panel, now) {
        return form(panel, "bounds", "Workers", (made) => ({ min: number(made.elements.min), max: number(made.elements.max) }),
            field("min", "from", now.bounds.min, { min: 0, max: 10000, step: 1 }), field("max", "to", now.bounds.max, { min: 1, max: 10000, step: 1 }));
    }

    function policy(panel, now) {
        const select = element("select", { name: "policy", className: "form-select form-select-sm" },
            ...Object.keys(now.policies).map((name) => element("option", { value: name, textContent: words(name) })));
        select.setAttribute("aria-label", "Policy");
        const fields = element("span", { className: "drm-time-part" });
        const show = () => fields.replaceChildren(...now.policies[select.value].map((one) => field(one.name, words(one.name),
            select.value === now.policy ? now.parameters[one.name] : one.default,
            { step: "any", min: one.low, max: one.high, title: one.sentence + ", " + one.low + " to " + one.high + " " + one.unit })));
        select.value = now.policy;
        select.addEventListener("change", show);
        show();
        return form(panel, "policy", "Policy", () => ({
            policy: select.value,
            parameters: Object.fromEntries([...fields.getElementsByTagName("input")].map((input) => [input.name, number(input)])),
        }), select, fields);
    }

    /* What stands in the panel is what holds when it is opened, and after each change. */
    async function fill(panel) {
        if (panel.hidden) return;
        try {
            const answer = await fetch(panel.dataset.drmActions);
            if (!answer.ok) throw new Error(answer.status);
            const now = await answer.json();
            panel.replaceChildren(bounds(panel, now), policy(panel, now));
        } catch (error) {
            panel.replaceChildren(element("p", { className: "drm-warning", textContent: "The server does not answer: close this, and open it again." }));
        }
    }

    document.addEventListener("click", (event) => {
        const target = event.target instanceof Element ? event.target : null;
        const button = target && target.closest("[data-drm-act]");
        if (button) ask(document.getElementById(button.dataset.drmPanel), button.dataset.drmAct, { worker: button.closest("[data-drm-worker]").dataset.drmWorker });
        const opener = target && target.closest("[data-drm-opens]");
        if (!opener) return;
        const panel = document.getElementById(opener.dataset.drmOpens);
        panel.hidden = !panel.hidden;
        opener.setAttribute("aria-expanded", String(!panel.hidden));
        fill(panel);
    });
})();
