#!/bin/sh
# check-rules.sh: what must never be in the tree. Prints `N passed, N failed'.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
rule() { # rule TEXT COMMAND...: the command must print nothing
    text=$1
    shift
    found=$("$@" 2>/dev/null | head -n 5)
    if [ -n "$found" ]; then
        printf 'FAIL %s:\n%s\n' "$text" "$found"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}
rule 'no internal headers of CPython' grep -rnE '#include *[<"](internal/)?pycore_' src tests tools --include='*.[ch]'
rule 'Py_BUILD_CORE is never defined' grep -rnE '# *define +Py_BUILD_CORE' src tests tools --include='*.[ch]'
rule 'Py_DEBUG is never defined' grep -rnE '# *define +Py_DEBUG' src tests tools --include='*.[ch]'
rule 'nothing links libpython3.14.a' grep -rnE -- '-lpython3\.14|libpython3\.14\.a' meson.build src
rule 'the given parts hold no internal headers' find build/given -type d -name internal -path '*python3.14/internal'
folders_without_readme() {
    find src tests tools bench examples -type d ! -name __pycache__ | while read -r d; do
        case $d in tests/py/* | bench/runner/* | examples/blog/* | src/capi/include/*) ;;
        *) [ -f "$d/README.md" ] || echo "$d" ;;
        esac
    done
}
rule 'every folder has a README' folders_without_readme
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
