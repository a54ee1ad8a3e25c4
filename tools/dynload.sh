#!/bin/sh
# dynload.sh: prints "NAME SOURCE..." for each shared module below src/dynload.
cd "$(dirname "$0")/.." || exit 1
for p in src/dynload/*; do
    name=${p##*/}
    case $name in
    *.c) echo "${name%.c} $p" ;;
    *) [ -d "$p" ] && echo "$name $(find "$p" -name '*.c' | LC_ALL=C sort | tr '\n' ' ')" ;;
    esac
done
