#!/bin/sh
# run.sh NAJA: builds the extension with each C compiler there is, from the given headers
# alone, and uses it. Prints `N passed, N failed'.
naja=$1
here=$(cd "$(dirname "$0")" && pwd)
given=${NAJA_INCLUDE:-$(dirname "$naja")/../include/python3.14}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
for cc in gcc clang; do
    command -v $cc > /dev/null || continue
    mkdir "$tmp/$cc"
    if $cc -O2 -shared -fPIC -I"$given" -include Python.h -include internal/pycore_frame.h \
            -o "$tmp/$cc/example.cpython-314-x86_64-linux-gnu.so" "$here/example.c" &&
        [ "$("$naja" "$here/check_example.py" "$tmp/$cc")" = ok ]; then
        passed=$((passed + 1))
    else
        echo "FAIL extension built with $cc"
        failed=$((failed + 1))
    fi
done
# frames, tracebacks, profilers and tracers of extensions: prints what the reference prints
if ${CC:-gcc} -O2 -shared -fPIC -I"$given" -o "$tmp/frames.cpython-314-x86_64-linux-gnu.so" "$here/frames.c" &&
    "$naja" "$here/check_frames.py" "$tmp" 2>&1 | diff "$here/frames.txt" -; then
    passed=$((passed + 1))
else
    echo "FAIL frames.c"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
