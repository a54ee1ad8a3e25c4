#!/bin/sh
# build.sh BUILD [MESON-OPTION...]: configures when the set of sources changed, compiles, and
# lays out BUILD/bin, BUILD/lib, BUILD/include as an installation prefix. Options count at the
# first configuration.
set -eu
build=$1
shift
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$build" && pwd)
cd "$top"
# Says in one line why a step failed whose log is $1, and ends.
fail() {
    if grep -q 'No space left on device' "$1"; then
        why='the disk is full; make room, then call again'
    else
        why=$(grep -m1 -E 'ERROR:|error:|undefined reference|FAILED' "$1" | sed 's/^.*ERROR: //')
    fi
    echo "naja build: $2: ${why:-failed} (log: $1)" >&2
    exit 1
}
{ sh tools/sources.sh; sh tools/dynload.sh; } > "$build/sources.new"
if [ ! -f "$build/meson/build.ninja" ]; then
    meson setup "$build/meson" -Dgiven="$build/given" "$@" > "$build/meson.log" 2>&1 ||
        { rm -rf "$build/meson"; fail "$build/meson.log" 'configuring'; }
elif ! cmp -s "$build/sources.new" "$build/sources"; then
    meson setup --reconfigure "$build/meson" > "$build/meson.log" 2>&1 ||
        fail "$build/meson.log" 'configuring'
fi
mv "$build/sources.new" "$build/sources"
if ! ninja -C "$build/meson" > "$build/ninja.log" 2>&1; then
    grep -E -A3 'error:|undefined reference' "$build/ninja.log" | head -n 40 >&2
    fail "$build/ninja.log" 'compiling'
fi
mkdir -p "$build/bin" "$build/lib" "$build/include"
if ! cmp -s "$build/meson/naja" "$build/bin/naja"; then
    cp "$build/meson/naja" "$build/bin/naja.new"
    mv "$build/bin/naja.new" "$build/bin/naja"
fi
sed -n '/modules left out/{/: none/!p}' "$build/meson/meson-logs/meson-log.txt"
# The library: links to the given files, not a link to their folder, because debuggers and test
# discovery compare paths, and a path through a symbolic link has two names.
lib=$build/lib/python3.14
into=$lib
if [ -L "$lib" ] || ! cmp -s "$build/given/STAMP" "$build/lib/given.stamp" ||
    [ "$build/given/STAMP" -nt "$build/lib/given.stamp" ]; then
    into=$lib.new
    rm -rf "$into"
    cp -al "$build/given/lib/python3.14" "$into" 2>/dev/null ||
        { rm -rf "$into" && cp -a "$build/given/lib/python3.14" "$into"; }
    rm -rf "$into/lib-dynload" "$into"/_sysconfigdata__*
fi
dynload=$into/lib-dynload
mkdir -p "$dynload"
for m in "$build"/meson/*.cpython-314-x86_64-linux-gnu.so; do
    [ -e "$m" ] || continue
    cmp -s "$m" "$dynload/${m##*/}" || { cp "$m" "$dynload/.new" && mv "$dynload/.new" "$dynload/${m##*/}"; }
done
# The packaged test extensions are part of this tree only: links, which no installation copies.
for m in "$build"/given/testext/*.so; do
    [ -e "$m" ] && ln -sf "../../../given/testext/${m##*/}" "$dynload/${m##*/}"
done
if [ "$into" != "$lib" ]; then
    [ ! -e "$lib" ] || mv "$lib" "$lib.old"
    mv "$into" "$lib"
    rm -rf "$lib.old"
    cp "$build/given/STAMP" "$build/lib/given.stamp"
fi
for n in python python3 python3.14; do
    [ -e "$build/bin/$n" ] || ln -s naja "$build/bin/$n"
done
# The given headers, and beside them the few of ours that builders ask for by name.
headers=$build/include/python3.14
[ ! -L "$headers" ] || rm "$headers"
mkdir -p "$headers/internal"
for h in "$build"/given/include/python3.14/*; do
    [ -e "$headers/${h##*/}" ] || ln -s "../../given/include/python3.14/${h##*/}" "$headers/${h##*/}"
done
for h in src/capi/include/internal/*.h; do
    cmp -s "$h" "$headers/internal/${h##*/}" || cp "$h" "$headers/internal/"
done
mkdir -p "$build/share"
[ -e "$build/share/python-wheels" ] || ln -s ../given/wheels "$build/share/python-wheels"
data=$lib/_sysconfigdata__linux_x86_64-linux-gnu.py
if [ ! -e "$data" ] || [ -n "$(find tools/sysconfigdata.py tools/prefixfiles.py -newer "$data")" ]; then
    cp tools/sysconfigdata.py "$data.start" && mv "$data.start" "$data"
    "$build/bin/naja" -S -B tools/prefixfiles.py vars tools/sysconfigdata.py "$data"
    "$build/bin/naja" -S -B tools/prefixfiles.py install "$build" "$build"
    touch "$data"
fi
# The library's bytecode, as an installed Python has it: tests and users that may not write
# __pycache__ read it there.
if [ ! -e "$lib/__pycache__/os.cpython-314.pyc" ]; then
    "$build/bin/naja" -S -m compileall -q -x '/(test|idlelib)/' "$lib" ||
        { echo 'naja build: the library does not compile' >&2; exit 1; }
fi
