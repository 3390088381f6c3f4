#!/bin/sh
# Makes the FIFOs of spare runs, and starts a shim in each: one call for many, because pmd forks slowly.
#
#   make-spares.sh <setsid> <shim.sh> <cgroup root or ""> <folder> <name>...
#
# A shim is started in its directory, which may be given its final name before the shim has done anything at all.
# The shims are not started with '&': what a shell starts so ignores INT and QUIT, and their services would inherit that.
setsid=$1 shim=$2 cgroups=$3 folder=$4
shift 4
cd "$folder" || exit 1

fifos=
for name; do fifos="$fifos $name/out $name/err $name/ack $name/go"; done
# shellcheck disable=SC2086 # names are hexadecimal
mkfifo -m 600 $fifos || exit 1
for name; do
  cd "$folder/$name" || exit 1
  "$setsid" -f /bin/sh "$shim" "$folder/$name" "${cgroups:+$cgroups/$name}" </dev/null >/dev/null 2>&1 || exit 1
done
