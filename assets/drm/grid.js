/* The library of tables is a quarter of all scripts, and only two tabs have a table: it is loaded with the first one that is shown, or once
   the page has been there for a while. Until then a table is an empty box. */
(function () {
    "use strict";

    const SPARE_TIME = 5000;
    const { createElement, useEffect, useState } = window.React;
    const [where] = document.getElementsByName("drm-tables");
    if (!where) return;

    let library = null;

    function load() {
        library = library || new Promise((resolve, reject) => {
            const script = document.createElement("script");
            script.src = where.content;
            script.addEventListener("load", () => {
                const loaded = window.dash_ag_grid;
                // Dash looks a component up each time: another one would be mounted anew.
                window.dash_ag_grid = Object.assign({}, loaded, { AgGrid: Table });
                resolve(loaded);
            });
            script.addEventListener("error", () => {
                library = null;
                reject(new Error("the tables could not be loaded"));
            });
            document.head.append(script);
        });
        return library;
    }

    function Table(props) {
        const [Grid, setGrid] = useState(null);
        useEffect(() => void load().then((loaded) => setGrid(() => loaded.AgGrid)), []);
        return Grid ? createElement(Grid, props) : createElement("div", { id: props.id, className: props.className, style: props.style });
    }

    window.dash_ag_grid = { AgGrid: Table, getApiAsync: (id) => load().then((loaded) => loaded.getApiAsync(id)) };
    window.addEventListener("load", () => setTimeout(() => load().catch(() => {}), SPARE_TIME));
})();
