#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml: exact versions with hashes, for every supported Python and platform, no addresses.
# Versions already locked stay as long as pyproject.toml allows them; `sh tools/lock.sh --upgrade` takes the newest.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null 2>&1 || { echo "lock.sh: please install uv (pip install uv), then run this again" >&2; exit 1; }
lock() {
  out=$1
  shift
  uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml "$@" -o "$out"
}
lock requirements/check.txt --extra test --extra check "$@"
lock requirements/test.txt --extra test "$@"
lock requirements/run.txt "$@"
