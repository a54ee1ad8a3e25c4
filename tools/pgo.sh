#!/bin/sh
# pgo.sh BUILD: a profile-guided BUILD/bin/naja. Compiles twice, some three minutes on two
# cores; from then on builds in BUILD use the profile, functions changed since go without.
set -eu
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/.." && pwd)
fail() { echo "naja pgo: $*; see $build/ninja.log" >&2; exit 1; }
cd "$top"
find "$build/meson" -name '*.gcda' -delete
meson configure "$build/meson" -Db_pgo=generate
ninja -C "$build/meson" naja > "$build/ninja.log" 2>&1 || fail 'the instrumented build failed'
PYTHONHOME=$build "$build/meson/naja" -B tools/train.py || fail 'the training program failed'
meson configure "$build/meson" -Db_pgo=use
sh tools/build.sh "$build"
