#!/bin/sh
# Prints the path of a Chrome or Chromium that playwright can drive: one that is there, else Debian's package (as root), else playwright's own.
set -u
python=$1

found() {
    for name in "${DRM_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        [ -n "$name" ] && command -v "$name" && return
    done
}

# The driver is a Node.js that needs libatomic, which a bare system does not have.
drives() { "$python" -m playwright --version >/dev/null 2>&1; }

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=
    [ -n "$(found)" ] || packages=chromium
    drives || packages="$packages libatomic1"
    # shellcheck disable=SC2086 # a list of packages
    [ -z "$packages" ] ||
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages; } >&2
fi
if ! drives; then
    echo "the browser tests need the package libatomic1: install it" >&2
    exit 1
fi
[ -z "$(found)" ] || { found; exit 0; }
"$python" -m playwright install chromium >&2 &&
    "$python" -c 'from playwright.sync_api import sync_playwright as p
with p() as browsers: print(browsers.chromium.executable_path)' && exit 0
echo "the browser tests need the package chromium: install it, or name a browser in DRM_BROWSER" >&2
exit 1
