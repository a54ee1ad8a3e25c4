#!/bin/sh
# check.sh: a private MariaDB server on a loopback port, the blog, and check_blog.py against it. PYTHON names the
# interpreter of a venv with the packages that README.md lists. Both servers end with the script.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
dir=$(mktemp -d)
db= app=
trap 'kill $app $db 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
dbport=$(port) webport=$(port)
[ "$(id -u)" != 0 ] || chown mysql "$dir"
user=$([ "$(id -u)" = 0 ] && echo --user=mysql || true)
mariadb-install-db --no-defaults $user --datadir="$dir/data" --auth-root-authentication-method=normal >"$dir/db.log" 2>&1
mariadbd --no-defaults $user --datadir="$dir/data" --bind-address=127.0.0.1 --port="$dbport" --socket="$dir/sock" \
    --pid-file="$dir/pid" >>"$dir/db.log" 2>&1 &
db=$!
i=0
until mariadb --no-defaults --socket="$dir/sock" -u root -e \
    "create database blog; create user blog@'127.0.0.1' identified by 'pass'; grant all on blog.* to blog@'127.0.0.1'" 2>/dev/null; do
    i=$((i + 1))
    [ $i -lt 100 ] || { cat "$dir/db.log" >&2; exit 1; }
    sleep 0.2
done
cd "$here"
BLOG_DB="mysql://blog:pass@127.0.0.1:$dbport/blog" "$python" app.py --port "$webport" >"$dir/app.log" 2>&1 &
app=$!
timeout 120 "$python" check_blog.py "$webport" || { tail -n 30 "$dir/app.log" >&2; exit 1; }
