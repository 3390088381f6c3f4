#!/bin/sh
# Restarts every service that has failed, and says how it went. Needs curl and jq, and nothing of ours.
#   ./restart-failed.sh [socket]
set -eu
socket=${1:-/run/pmd/pmd.sock}

call() { # call Service/Method 'the request, as JSON'; an error is JSON as well, and ends the script
  answer=$(curl --silent --show-error --fail-with-body --unix-socket "$socket" \
    --header 'content-type: application/json' --data "$2" "http://pmd/pm.v1.$1") || {
    printf '%s' "$answer" | jq --raw-output '"error: \(.message)"' >&2
    exit 1
  }
  printf '%s\n' "$answer"
}

services=$(call SupervisorService/ListServices '{"selector": {"states": ["STATE_FAILED"], "namespace": "*"}}')
request=$(printf '%s' "$services" | jq '{selector: {names: [.services[]? | "\(.namespace)/\(.name)"]}}')
if [ "$(printf '%s' "$request" | jq '.selector.names | length')" = 0 ]; then
  echo "nothing has failed"
  exit 0
fi
results=$(call SupervisorService/RestartServices "$request")
printf '%s' "$results" | jq --raw-output '.results[] | "\(.name): \(.problem.message // .state)"'
