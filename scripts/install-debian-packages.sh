#!/bin/sh
# What the tests need of a Debian machine beside Node: a program and its package each. Installs what is missing and nothing else.
#   install-debian-packages.sh [vm]     for npm test; or for npm run vm
set -eu

case ${1-} in
  vm) programs="qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap cpio:cpio mke2fs:e2fsprogs" ;;
  *) programs="nginx:nginx-light curl:curl jq:jq strace:strace faketime:faketime python3:python3 ps:procps systemd-analyze:systemd bash:bash busybox:busybox redis-server:redis-server" ;;
esac

PATH=$PATH:/usr/sbin:/sbin
missing=
for program in $programs; do
  command -v "${program%%:*}" >/dev/null || missing="$missing ${program#*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "the tests need these packages, and there is no apt-get to install them with:$missing" >&2
  exit 1
fi
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"

# A server that is installed for the tests shall not be started for the host.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi

echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
quietly() { # says nothing unless it fails
  output=$("$@" 2>&1) || { echo "$output" >&2; exit 1; }
}
quietly apt-get -q update
# shellcheck disable=SC2086 # one word a package
quietly apt-get -q install --yes --no-install-recommends $missing
