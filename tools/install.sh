#!/bin/sh
# install.sh BUILD PREFIX: a relocatable tree at PREFIX (below $DESTDIR, if set): program,
# library, shared modules, headers, libpython3.14, what compilers and installers ask for.
# What it writes is listed in PREFIX/lib/python3.14/naja-manifest.txt; `uninstall.sh PREFIX'
# takes it away again.
set -eu
fail() { printf 'naja install: %s\n' "$*" >&2; exit 1; }
[ $# = 2 ] && [ -n "$2" ] || fail 'say where: make install PREFIX=/opt/naja'
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
case $2 in /*) prefix=$2 ;; *) prefix=$PWD/$2 ;; esac
root=${DESTDIR:-}$prefix
lib=$root/lib/python3.14
if [ -e "$lib/os.py" ] && [ ! -e "$lib/naja-manifest.txt" ]; then
    fail "$prefix holds another Python 3.14; choose another PREFIX"
fi
mkdir -p "$root" 2>/dev/null && [ -w "$root" ] || fail "cannot write to $root"

ninja -C "$build/meson" naja-own libpython3.14.so.1.0 > "$build/ninja.log" 2>&1 ||
    { grep -E -A3 'FAILED|error' "$build/ninja.log" | head -n 20 >&2; fail "see $build/ninja.log"; }

[ ! -e "$lib/naja-manifest.txt" ] || sh "$top/tools/uninstall.sh" "$prefix" >/dev/null
new=$build/install.files
: > "$new"
# put MODE FROM TO: copies one file to ROOT/TO and notes it.
put() {
    mkdir -p "$root/$(dirname "$3")" && rm -f "$root/$3" && cp "$2" "$root/$3" && chmod "$1" "$root/$3" ||
        fail "cannot write $root/$3 (disk full?)"
    printf '%s\n' "$3" >> "$new"
}
# tree FROM TO FIND-ARGS...: copies the files that find selects.
tree() {
    from=$1 to=$2
    shift 2
    (cd "$from" && find . "$@" -type f -print) | sed 's|^\./||' > "$build/install.list"
    mkdir -p "$root/$to"
    (cd "$from" && tar -cf - --no-recursion -T "$build/install.list") | (cd "$root/$to" && tar -xf - --no-same-owner) ||
        fail "cannot write to $root/$to (disk full?)"
    sed "s|^|$to/|" "$build/install.list" >> "$new"
    rm -f "$build/install.list"
}
link() {
    ln -sfn "$1" "$root/$2" || fail "cannot write $root/$2"
    printf '%s\n' "$2" >> "$new"
}

put 755 "$build/meson/naja-own" bin/naja
strip -g "$root/bin/naja" 2>/dev/null || true
for n in python python3 python3.14; do link naja bin/$n; done
put 755 "$build/meson/libpython3.14.so.1.0" lib/libpython3.14.so.1.0
strip -g "$root/lib/libpython3.14.so.1.0" 2>/dev/null || true
link libpython3.14.so.1.0 lib/libpython3.14.so
# the tests of the library stay behind, what other tests import of them does not
tree "$build/lib/python3.14" lib/python3.14 -name __pycache__ -prune -o \
    \( ! -path './test/*' -o -path ./test/__init__.py -o -path ./test/__main__.py \
       -o -path './test/support/*' -o -path './test/libregrtest/*' \) \
    ! -name '_sysconfig*' ! -name 'build-details*' ! -path './config-*'
tree "$build/meson/own" lib/python3.14 -name '*.py'
chmod 644 "$lib/site.py" "$lib/sysconfig/__init__.py" "$lib/ensurepip/__init__.py"
mkdir -p "$lib/site-packages"
tree "$build/given/include/python3.14" include/python3.14 ! -name pyconfig.h
tree "$top/src/capi/include/internal" include/python3.14/internal
put 644 "$build/given/include/python3.14/x86_64-linux-gnu/python3.14/pyconfig.h" include/python3.14/pyconfig.h
tree "$build/given/wheels" share/python-wheels -name '*.whl'
data=_sysconfigdata__linux_x86_64-linux-gnu.py
put 644 "$build/lib/python3.14/$data" "lib/python3.14/$data"
"$root/bin/naja" -S -E -B "$top/tools/prefixfiles.py" install "$root" "$prefix" || fail 'the installed program does not run'
for f in lib/python3.14/_sysconfig_vars__linux_x86_64-linux-gnu.json lib/python3.14/build-details.json \
         lib/python3.14/build-details..x86_64-linux-gnu.json \
         lib/python3.14/config-3.14-x86_64-linux-gnu/Makefile bin/python3.14-config \
         lib/pkgconfig/python-3.14.pc lib/pkgconfig/python-3.14-embed.pc; do
    printf '%s\n' "$f" >> "$new"
done
link python3.14-config bin/python3-config
link python-3.14.pc lib/pkgconfig/python3.pc
link python-3.14-embed.pc lib/pkgconfig/python3-embed.pc
LC_ALL=C sort -u "$new" > "$lib/naja-manifest.txt"
rm -f "$new"
printf 'installed in %s (%s files)\n' "$prefix" "$(wc -l < "$lib/naja-manifest.txt")"
