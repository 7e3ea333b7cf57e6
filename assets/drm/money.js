/* An amount of money that is clicked shows its parts. What leads where stands on the button: no callback of Dash has to know of it. */
(function () {
    "use strict";

    const SHOWN = 150, TRIES = 20;

    /* A tab that is shown for the first time has its parts only once it is drawn. */
    function show(id, tries) {
        const parts = document.getElementById(id);
        if ((!parts || !parts.offsetParent) && tries) return setTimeout(() => show(id, tries - 1), SHOWN);
        if (!parts) return undefined;
        const closed = parts.closest("details");
        if (closed) closed.open = true;
        parts.scrollIntoView({ block: "center" });
        return undefined;
    }

    document.addEventListener("click", (event) => {
        const link = event.target instanceof Element && event.target.closest("[data-drm-parts]");
        if (!link) return;
        for (const [id, property, value] of JSON.parse(link.dataset.drmSet)) window.dash_clientside.set_props(id, { [property]: value });
        show(link.dataset.drmParts, TRIES);
    });
})();
