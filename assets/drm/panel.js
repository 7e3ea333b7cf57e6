/* A panel mounts what is in it when it is first shown, and keeps it: what nobody has looked at costs neither the first paint nor a tick. */
(function () {
    "use strict";

    const { createElement, useRef } = window.React;

    function Panel(props) {
        const seen = useRef(false);
        seen.current = seen.current || !props.hidden;
        const element = { id: props.id, hidden: props.hidden, className: props.className, "aria-label": props.label || undefined };
        return createElement(props.tag, element, seen.current ? props.children : null);
    }

    window.drm_page = { ...window.drm_page, Panel: Panel };
})();
