#!/bin/sh
# Prints the path of a Chrome or Chromium: one that is there, else Debian's package (as root), else playwright's own.
set -u
python=$1
for name in "${DRM_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    [ -n "$name" ] && path=$(command -v "$name") && { echo "$path"; exit 0; }
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; } >&2
    path=$(command -v chromium) && { echo "$path"; exit 0; }
fi
"$python" -m playwright install chromium >&2 &&
    "$python" -c 'from playwright.sync_api import sync_playwright as p
with p() as browsers: print(browsers.chromium.executable_path)' && exit 0
echo "the browser tests need Chromium: install the package chromium, or name one in DRM_BROWSER" >&2
exit 1
