#!/bin/sh
# The parent of one run, so that its exit status is known even when nobody is watching, and the holder of its FIFOs until the pump has taken
# everything. It must outlive whatever happens to pmd, to the pump and to the service; it is never signalled.
#
#   shim.sh <where it was made> <cgroup or "">
#
# It is started in its run directory and stays there, whatever that is called later; the first argument only tells people who look at ps.
#
# It is started ahead of its run, as a spare: the subshell that is to become the service has joined its cgroup, which can take the kernel longer
# than all the rest, and waits for one word on the FIFO `go`. When the word comes, the directory has its final name, and holds
# the file `order`. pmd holds the other end: when it ends without a word, pmd is gone, and the shim goes too.
#
# Signals are caught by ':' and not ignored by '': what is ignored here the service would inherit. Every redirection is made inside, because a
# shell reports a killed child on the stderr it was started with, and that would be the service's log. The files are written by one printf
# each, without a rename: they are whole when they end with a newline. The service is not started with '&', which would ignore INT and QUIT.
trap : HUP INT QUIT TERM USR1 USR2 PIPE ALRM
exec 3<>out 4<>err 5<>ack 6<go </dev/null >/dev/null 2>&1
printf '%s\n' "$$" >shim

(
  [ -z "$2" ] || echo 0 >"$2/cgroup.procs" || exit 125
  read -r word <&6 && [ "$word" = go ] || exit 1
  exec 1<>out 2<>err 3>&- 4>&- 5>&- 6<&- 7>pid
  # $$ is the shim's in here; what the kernel calls "self" is whoever reads it.
  read -r pid word </proc/self/stat
  . ./order
)
status=$?

# It never came so far as to begin: nobody waits for this.
[ -e pid ] || { [ -e order ] && [ "$status" = 125 ]; } || exit 0
# A full disk passes; a directory that was removed does not come back.
until printf '%s\n' "$status" >exit; do
  [ -e spec.json ] || exit 0
  sleep 1
done
while ! read -r word <&5; do :; done
