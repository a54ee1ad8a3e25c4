#!/bin/sh
# run.sh NAJA: builds the host program with the engine linked in and runs it. Prints
# `N passed, N failed'.
build=$(cd "$(dirname "$1")/.." && pwd)
log=$build/embed.log
if ninja -C "$build/meson" embed > "$log" 2>&1 &&
    EMBED_HOME=$build timeout 300 "$build/meson/embed" 200 > "$log" 2>&1; then
    cat "$log"
    echo '1 passed, 0 failed'
else
    tail -n 20 "$log"
    echo '0 passed, 1 failed'
    exit 1
fi
