#!/bin/sh
# run.sh NAJA: all tests; the last line is `N passed, N failed'.
naja=$1
cd "$(dirname "$0")/.." || exit 1
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
total_passed=0 total_failed=0
# Runs a step and adds up the counts of its last line.
step() {
    echo "== $1"
    shift
    "$@" > "$log/out" 2>&1
    code=$?
    cat "$log/out"
    line=$(tail -n 1 "$log/out")
    p=$(printf '%s\n' "$line" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1/p')
    f=$(printf '%s\n' "$line" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\2/p')
    if [ -z "$p" ] || { [ "$code" != 0 ] && [ "$f" = 0 ]; }; then
        echo "step ended with exit code $code and no count"
        p=${p:-0} f=$((${f:-0} + 1))
    fi
    total_passed=$((total_passed + p)) total_failed=$((total_failed + f))
}
step 'house rules' sh tools/check-rules.sh
step 'programs (tests/py)' python3 tools/testrun.py "$naja" tests/py
step 'the tour' python3 tools/testrun.py "$naja" examples --exit-code-only
step 'C extension' sh tests/capi/run.sh "$naja"
step 'C API calls (tests/fuzz/capi)' python3 tests/fuzz/capi/run.py "$naja"
step 'layouts (tests/abi)' python3 tests/abi/run.py "$naja"
step 'exported symbols (tests/abi/symbols.tsv)' python3 tools/abi-ledger.py "$naja"
step 'embedding' sh tests/embed/run.sh "$naja"
step 'regression units (tests/lib/passing.txt)' python3 tools/regrunits.py "$naja" tests/lib/passing.txt
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
