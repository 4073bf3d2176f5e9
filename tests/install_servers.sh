#!/bin/sh
# Installs Debian's redis-server, one of the servers that the tests run on, and libfaketime, with which its clock is made to
# jump, where that is possible: root, apt-get, not there yet.
# Everywhere else it does nothing, and the closing lines of the tests say which server is missing and how to get it.
# It never fails: the tests decide what a missing server means.
#
# No service is started, now or at the next boot: port 6379 belongs to whoever owns the machine.
set -eu

[ -x /usr/bin/redis-server ] && ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null 2>&1 || exit 0
[ "$(id -u)" = 0 ] || exit 0

policy=/usr/sbin/policy-rc.d
saved=$(mktemp -d)

restore() {
    if [ -e "$saved/policy-rc.d" ] || [ -L "$saved/policy-rc.d" ]; then
        mv -f "$saved/policy-rc.d" "$policy"
    else
        rm -f "$policy"
    fi
    rmdir "$saved"
}

if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$saved/policy-rc.d"
fi
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=60 redis-server libfaketime >"$saved.log" 2>&1
}

echo "installing Debian's redis-server and libfaketime for the tests (no service is started)"
if install || { apt-get update -qq >/dev/null 2>&1 && install; }; then
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --quiet disable redis-server.service >/dev/null 2>&1 || true
    fi
    rm -f "$saved.log"
else
    echo "redis-server could not be installed; apt-get says:"
    tail -n 5 "$saved.log"
    rm -f "$saved.log"
fi
exit 0
