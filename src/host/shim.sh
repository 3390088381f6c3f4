#!/bin/sh
# The parent of one run, so that its exit status is known even when nobody is watching, and the holder of its FIFOs until the pump has taken
# everything. It must outlive whatever happens to pmd, to the pump and to the service; it is never signalled.
#
#   shim.sh <run directory> <cgroup or ""> <working directory> <soft limit of open files> <setsid> <program> [arguments]
#
# Signals are caught by ':' and not ignored by '': what is ignored here the service would inherit. Every redirection is made inside, because a
# shell reports a killed child on the stderr it was started with, and that would be the service's log. The files are written by one printf
# each, without a rename: they are whole when they end with a newline. The service is not started with '&', which would ignore INT and QUIT.
d=$1
trap : HUP INT QUIT TERM USR1 USR2 PIPE ALRM
exec 3<>"$d/out" 4<>"$d/err" 5<>"$d/ack" </dev/null >/dev/null 2>&1
printf '%s\n' "$$" >"$d/shim"

/bin/sh -c '
  exec 1<>"$1/out" 2<>"$1/err" 3>&- 4>&- 5>&-
  [ -z "$2" ] || echo 0 >"$2/cgroup.procs" || exit 125
  cd "$3" || exit 125
  ulimit -Sn "$4"
  umask 022
  printf "%s\n" "$$" >"$1/pid" || exit 125
  shift 4
  exec "$@"' sh "$@"
status=$?

until printf '%s\n' "$status" >"$d/exit"; do sleep 1; done
while ! read -r _ <&5; do :; done
