#!/bin/sh
# sanitize.sh BUILD: a whole second build below BUILD/sanitize, shared modules included, under the
# address and undefined-behaviour sanitizers (tests/README.md says how it is used).
# SPDX-License-Identifier: MIT
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
dir=$build/sanitize
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$dir"
# The given parts as links to the same files.
if ! cmp -s "$build/given/STAMP" "$dir/given/STAMP"; then
    rm -rf "$dir/given"
    cp -al "$build/given" "$dir/given"
fi
# Alignment is x86's business: given headers and PEP 393 data are read as they lie.
exec sh "$top/tools/build.sh" "$dir" -Doptimization=1 -Db_ndebug=false \
    -Db_sanitize=address,undefined -Dc_args='-fno-sanitize=alignment -fno-omit-frame-pointer' "-Dc_link_args=-fuse-ld=lld"
