#!/bin/sh
# uninstall.sh PREFIX: takes away what install.sh wrote there; what was installed or
# written into the tree afterwards stays.
set -eu
root=${DESTDIR:-}${1:?usage: uninstall.sh PREFIX}
list=$root/lib/python3.14/naja-manifest.txt
[ -f "$list" ] || { printf 'naja uninstall: nothing of Naja in %s\n' "$root" >&2; exit 1; }
cd "$root"
while IFS= read -r f; do
    rm -f "./$f"
    case $f in
        *.py)
            name=${f##*/}
            dir=${f%/*}/__pycache__
            rm -f "./$dir/${name%.py}".cpython-314*.pyc
            ;;
    esac
done < lib/python3.14/naja-manifest.txt
rm -f lib/python3.14/naja-manifest.txt
for d in bin lib/python3.14 lib/pkgconfig lib include/python3.14 include share/python-wheels share; do
    [ ! -d "$d" ] || find "$d" -depth -type d -empty -delete 2>/dev/null || true
done
printf 'removed from %s\n' "$root"
