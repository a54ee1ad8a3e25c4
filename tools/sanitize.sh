#!/bin/sh
# sanitize.sh BUILD [fast]: a whole second build, shared modules included: below BUILD/sanitize under the address and
# undefined-behaviour sanitizers and with assertions, or below BUILD/asan under the address sanitizer alone and
# optimized, for the tests of packages, which take twenty times as long in the former (sanrun.py runs things in them).
# SPDX-License-Identifier: MIT
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
case ${2-} in
fast) dir=$build/asan kinds=address optimization=2 ndebug=true ;;
*) dir=$build/sanitize kinds=address,undefined optimization=1 ndebug=false ;;
esac
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$dir"
# The given parts as links to the same files.
if ! cmp -s "$build/given/STAMP" "$dir/given/STAMP"; then
    rm -rf "$dir/given"
    cp -al "$build/given" "$dir/given"
fi
# Alignment is x86's business: given headers and PEP 393 data are read as they lie.
exec sh "$top/tools/build.sh" "$dir" -Doptimization=$optimization -Db_ndebug=$ndebug -Db_sanitize=$kinds \
    -Dc_args='-fno-sanitize=alignment -fno-omit-frame-pointer' "-Dc_link_args=-fuse-ld=lld"
