#!/bin/bash
# setup.sh BUILD: installs what the build needs and lays the given parts of CPython 3.14
# into BUILD/given (public headers, pure-Python library, regression tests, pip's wheel).
#
# The given parts come from Debian packages of the first of the machine's own suite,
# forky and sid that has Python 3.14, downloaded with a private apt configuration
# (signatures checked, the system's own package state untouched) and unpacked. Nothing of
# CPython's own machine code is kept except the packaged test extensions. A finished step
# leaves a stamp; an interrupted one is done again by the next call.
set -Eeuo pipefail

fail() { trap - ERR; printf 'naja setup: %s\n' "$*" >&2; exit 1; }
# The last error that apt wrote to the log, as the reason in a message.
reason() { sed -n 's/^[EW]: //p' "$BUILD/setup.log" 2>/dev/null | tail -n 1; }
say() { printf 'naja setup: %s\n' "$*"; }
trap 'fail "stopped at: $BASH_COMMAND (disk full?); call again to go on"' ERR

BUILD=${1:?usage: setup.sh BUILD}
mkdir -p "$BUILD" 2>/dev/null || fail "cannot make the folder $BUILD (read-only or full?)"
BUILD=$(cd "$BUILD" && pwd)
GIVEN=$BUILD/given

platform() {
    local machine
    machine=$(uname -s)-$(uname -m)
    [ "$machine" = Linux-x86_64 ] ||
        fail "Naja runs on 64-bit x86 Linux only; this machine is $machine"
}

# Stops unless so many megabytes are free below BUILD for the purpose.
need_space() {
    local free
    free=$(df -Pk "$BUILD" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$1" ] ||
        fail "no room for $2: $1 MB below $BUILD, $free MB are free; make room, then call again"
}

BUILD_PACKAGES="gcc make meson ninja-build pkg-config python3 ca-certificates
    libc6-dev libgmp-dev zlib1g-dev libbz2-dev liblzma-dev libzstd-dev libffi-dev
    libssl-dev libexpat1-dev libsqlite3-dev libreadline-dev libncurses-dev tk-dev
    libgdbm-dev libdb-dev uuid-dev netbase"

host_packages() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        fail "this set-up needs Debian's apt and dpkg; on another system install the" \
            "libraries named in tools/setup.sh and pass NAJA_PYTHON_ROOT=DIR (a CPython 3.14 tree)"
    local missing="" p
    for p in $BUILD_PACKAGES; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        fail "packages are missing; run:  sudo apt-get install -y$missing"
    fi
    need_space 1000 "installing packages"
    say "installing$missing"
    apt-get -q update >"$BUILD/setup.log" 2>&1 ||
        fail "apt-get update failed, call again once this is mended: $(reason) (log: $BUILD/setup.log)"
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing \
        >>"$BUILD/setup.log" 2>&1 ||
        fail "apt-get install failed, call again once this is mended: $(reason) (log: $BUILD/setup.log)"
}

# Prints "URI<TAB>Signed-By" of the machine's own Debian mirror.
mirror() {
    local codename f
    codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-bookworm}")
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -r "$f" ] || continue
        awk -v cn="$codename" 'BEGIN { RS=""; FS="\n" }
             { uri=""; key=""; deb=0; off=0; ok=0
               for (i=1; i<=NF; i++) {
                 l=$i; if (l ~ /^#/) continue
                 if (l ~ /^Types:/ && l ~ /[ \t]deb([ \t]|$)/) deb=1
                 if (l ~ /^Enabled:[ \t]*no/) off=1
                 if (l ~ /^URIs:/) { sub(/^URIs:[ \t]*/,"",l); split(l,a,/[ \t]+/); uri=a[1] }
                 if (l ~ /^Suites:/) { n=split(l,a,/[ \t]+/); for (k=2;k<=n;k++) if (a[k]==cn || a[k]=="stable" || a[k]=="oldstable") ok=1 }
                 if (l ~ /^Signed-By:/) { sub(/^Signed-By:[ \t]*/,"",l); key=l } }
               if (deb && ok && !off && uri != "") print uri "\t" key }' "$f"
    done
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$f" ] || continue
        awk -v cn="$codename" '$1=="deb" { key=""; l=$0; sub(/^deb[ \t]+/,"",l)
               if (l ~ /^\[/) { o=l; sub(/\].*/,"",o); sub(/^[^]]*\][ \t]*/,"",l)
                 if (match(o,/signed-by=[^ \t]+/)) key=substr(o,RSTART+10,RLENGTH-10) }
               split(l,a,/[ \t]+/)
               if (a[2]==cn || a[2]=="stable" || a[2]=="oldstable") print a[1] "\t" key }' "$f"
    done
}

GIVEN_PACKAGES="libpython3.14-dev libpython3.14-minimal libpython3.14-stdlib
    libpython3.14-testsuite python3.14-venv python3-pip-whl python3.14-tk idle-python3.14
    python3.14-examples libmpdec-dev"

# Downloads GIVEN_PACKAGES from the first suite that has them into $1.
download() {
    local debs=$1 line uri key suite apt codename candidate
    line=$(mirror | sed -n 1p)
    [ -n "$line" ] || fail "no Debian mirror in apt's configuration"
    uri=${line%%$'\t'*} key=${line#*$'\t'}
    case $key in /*) ;; *) key=/usr/share/keyrings/debian-archive-keyring.gpg ;; esac
    codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-bookworm}")
    for suite in "$codename" forky sid; do
        apt=$BUILD/apt-$suite
        mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/empty"
        : >"$apt/status"
        echo "deb [signed-by=$key] $uri $suite main" >"$apt/sources.list"
        cat >"$apt/conf" <<C
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "$apt/empty";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "$(id -un)";
APT::Get::AllowUnauthenticated "false";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "true";
C
        apt-get -q -c "$apt/conf" update >"$BUILD/setup.log" 2>&1 ||
            fail "cannot read the package list of $suite, call again once this is mended: $(reason) (log: $BUILD/setup.log)"
        candidate=$(apt-cache -c "$apt/conf" policy libpython3.14-stdlib 2>/dev/null |
            sed -n 's/ *Candidate: //p')
        if [ "${candidate#3.14}" != "$candidate" ]; then
            say "downloading the given parts of Python 3.14 from $suite"
            (cd "$debs" && apt-get -q -c "$apt/conf" download $GIVEN_PACKAGES) \
                >>"$BUILD/setup.log" 2>&1 ||
                fail "download failed, call again once this is mended: $(reason) (log: $BUILD/setup.log)"
            rm -rf "$BUILD"/apt-*
            return 0
        fi
        rm -rf "$apt"
    done
    fail "none of the suites $codename, forky, sid has Python 3.14"
}

# Lays headers, library, tests and wheels from the tree $1 (its usr/) into $2.
arrange() {
    local usr=$1 to=$2 lib=$2/lib/python3.14
    mkdir -p "$to/include" "$lib" "$to/testext" "$to/wheels"
    cp -a "$usr/include/python3.14" "$to/include/"
    rm -rf "$to/include/python3.14/internal"
    if [ -d "$usr/include/x86_64-linux-gnu/python3.14" ]; then
        rm -rf "$to/include/python3.14/x86_64-linux-gnu"
        mkdir -p "$to/include/python3.14/x86_64-linux-gnu/python3.14"
        cp "$usr/include/x86_64-linux-gnu/python3.14/pyconfig.h" \
            "$to/include/python3.14/x86_64-linux-gnu/python3.14/"
    fi
    cp -a "$usr/lib/python3.14/." "$lib/"
    for e in _testcapi _testlimitedcapi _testmultiphase _testsinglephase _testbuffer \
             _ctypes_test _testimportmultiple xxlimited xxlimited_35 _xxtestfuzz xxsubtype; do
        cp "$lib/lib-dynload/$e".*.so "$to/testext/" 2>/dev/null || true
    done
    rm -rf "$lib/lib-dynload" "$lib"/config-* "$lib"/EXTERNALLY-MANAGED \
        "$lib"/_sysconfigdata* "$lib"/_sysconfig_vars* "$lib"/build-details* "$lib/sitecustomize.py"
    find "$lib" -name __pycache__ -type d -prune -exec rm -rf {} +
    find -L "$lib" -type l -delete
    # mpdecimal is not in Debian 12: the static library of the suite that has Python 3.14 links here.
    mkdir -p "$to/mpdec/include" "$to/mpdec/lib"
    find "$usr/include" -name mpdecimal.h -exec cp {} "$to/mpdec/include/" \;
    find "$usr/lib" -name libmpdec.a -exec cp {} "$to/mpdec/lib/" \;
    cp "$usr"/share/python-wheels/pip-*.whl "$to/wheels/" 2>/dev/null || true
}

# Whether the given parts are there, all of them.
given_complete() {
    local p
    [ -e "$GIVEN/STAMP" ] || return 1
    ! grep -q '^from ' "$GIVEN/STAMP" || return 0
    for p in $GIVEN_PACKAGES; do
        grep -q "^${p}_" "$GIVEN/STAMP" || return 1
    done
}

given_parts() {
    ! given_complete || return 0
    need_space 900 "the given parts and the build"
    rm -rf "$GIVEN" "$GIVEN.new"
    mkdir -p "$GIVEN.new"
    if [ -n "${NAJA_PYTHON_ROOT:-}" ]; then
        [ -f "$NAJA_PYTHON_ROOT/lib/python3.14/os.py" ] ||
            fail "NAJA_PYTHON_ROOT=$NAJA_PYTHON_ROOT holds no lib/python3.14/os.py"
        [ -f "$NAJA_PYTHON_ROOT/include/python3.14/Python.h" ] ||
            fail "NAJA_PYTHON_ROOT=$NAJA_PYTHON_ROOT holds no include/python3.14/Python.h"
        arrange "$NAJA_PYTHON_ROOT" "$GIVEN.new"
        echo "from $NAJA_PYTHON_ROOT" >"$GIVEN.new/STAMP"
    else
        local debs=$BUILD/debs root=$BUILD/unpacked f
        mkdir -p "$debs"
        ls "$debs"/COMPLETE >/dev/null 2>&1 || { download "$debs"; touch "$debs/COMPLETE"; }
        rm -rf "$root"; mkdir -p "$root"
        for f in "$debs"/*.deb; do
            dpkg-deb -x "$f" "$root" || fail "cannot unpack ${f##*/} (disk full?)"
        done
        arrange "$root/usr" "$GIVEN.new"
        (cd "$debs" && ls *.deb) >"$GIVEN.new/STAMP"
        rm -rf "$root" "$debs"
    fi
    mv "$GIVEN.new" "$GIVEN"
}

platform
host_packages
given_parts
