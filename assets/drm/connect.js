/* How a worker is connected to this program: by the address at which this browser has found it. */
(function () {
    "use strict";

    const HERE = ["localhost", "127.0.0.1", "[::1]"];

    Object.assign(window.dash_clientside.drm, {
        connect: (feed) => [
            "drm agent --url " + location.origin + feed.reports,
            HERE.includes(location.hostname) ? "That address is this machine's own: for workers elsewhere start the program with --host and its address, or put a proxy before it." : "",
        ],
    });
})();
