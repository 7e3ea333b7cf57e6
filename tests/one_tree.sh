#!/bin/sh
# mypy and import-linter do not follow the __path__ of drm/__init__.py: they get a throw-away tree in which everything is inside drm/.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/drm"
for part in "$root"/drm/* "$root"/layouts "$root"/callbacks; do ln -s "$part" "$tree/drm/"; done
cp "$root/pyproject.toml" "$tree/"
cd "$tree"
MYPYPATH="$tree" "$BIN/mypy" --cache-dir "$root/.mypy_cache/one_tree" -p drm
PYTHONPATH="$tree" "$BIN/lint-imports" --no-cache
