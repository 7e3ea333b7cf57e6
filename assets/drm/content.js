/* A Content of layouts/content.py: what Dash's html components describe, made by React alone. React escapes texts, and keeps what stays: the
   focus, a selection, what is open. */
(function () {
    "use strict";

    const { createElement } = window.React;

    /* An element, a text, or nothing; what stands in a list are the children of what it stands in. */
    function made(node) {
        if (node === null || node === undefined || typeof node === "boolean") return null;
        if (typeof node !== "object") return node;
        if (node.namespace !== "dash_html_components") throw new Error(node.type + " is a component of its own: it cannot be part of a Content");
        const { children, ...props } = node.props;
        return createElement(node.type.toLowerCase(), { ...props, key: props["data-key"] }, ...all(children));
    }

    const all = (children) => [children].flat(Infinity).map(made);

    function Content(props) {
        return createElement(props.tag, { id: props.id, className: props.className || undefined }, ...all(props.content));
    }

    window.drm_page = { ...window.drm_page, Content: Content };
})();
