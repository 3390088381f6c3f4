#!/bin/sh
# Makes shims, many at a time: it reads lines of names, and each shim says "made" and its name as soon as it stands in its directory. When
# something went wrong with one of them, or with a whole line, "failed" comes instead, and the reason on stderr.
#
#   shim.sh <folder in which each name is a directory> <cgroup root or "">
#
# A shim is the parent of one run, so that its exit status is known even when nobody is watching, and the holder of its FIFOs until the pump has
# taken everything. It must outlive whatever happens to pmd, to the pump and to the service; it is never signalled. It stays in its directory,
# whatever that is called later.
#
# Shims are forked from here and execute nothing, because pmd forks slowly and an exec costs more than a fork. They are the members of a pipeline: what a
# shell starts with '&' ignores INT and QUIT, and so would the services. The shell that waits for the pipeline is ended by its last member.

# It is made ahead of its run, as a spare: the subshell that is to become the service has joined its cgroup, which can take the kernel longer
# than all the rest, and waits for one word on the FIFO `go`. When the word comes, the directory has its final name, and holds
# the file `order`. pmd holds the other end: when it ends without a word, pmd is gone, and the shim goes too.
#
# Signals are caught by ':' and not ignored by '': what is ignored here the service would inherit. Every redirection is made inside, because a
# shell reports a killed child on the stderr it was started with, and that would be the service's log. The files are written by one printf
# each, without a rename: they are whole when they end with a newline.
shim() {
  exec </dev/null >/dev/null
  trap : HUP INT QUIT TERM USR1 USR2 PIPE ALRM
  cd "$1" || {
    echo "failed $1" >&8
    exit
  }
  echo "made $1" >&8
  exec 2>/dev/null 8>&- 3<>out 4<>err 5<>ack 6<go
  # $$ is the first shell's in here; what the kernel calls "self" is whoever reads it.
  read -r pid word </proc/self/stat
  printf '%s\n' "$pid" >shim

  (
    [ -z "$cgroups" ] || echo 0 >"$cgroups/$1/cgroup.procs" || exit 125
    read -r word <&6 && [ "$word" = go ] || exit 1
    exec 1<>out 2<>err 3>&- 4>&- 5>&- 6<&- 7>pid
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
}

folder=$1 cgroups=$2
exec 8>&1
cd "$folder" || exit
while read -r names; do
  fifos= pipeline=
  for name in $names; do
    fifos="$fifos $name/out $name/err $name/ack $name/go"
    pipeline="${pipeline}shim $name | "
  done
  (
    # shellcheck disable=SC2086 # names are hexadecimal
    mkfifo -m 600 $fifos || exit
    read -r waiting word </proc/self/stat
    eval "$pipeline kill -9 $waiting"
  )
  [ $? = 137 ] || echo "failed $name"
done
