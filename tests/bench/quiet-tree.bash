#!/usr/bin/env bash
#
# Stands in for a runner with a Cypress child: eleven processes under their real names, all asleep.
#
# Usage: quiet-tree.bash FOLDER     (ends with 0 when the process that holds the FIFO FOLDER/hold open for writing closes it)
set -euo pipefail

runner() {
  "$tree/node" -c cypress /x/node_modules/.bin/cypress run --browser chrome &
  wait
}

cypress() {
  "$tree/Cypress" -c browser &
  wait
}

browser() {
  for _ in 1 2 3 4 5 6 7; do
    "$tree/chrome" infinity &
  done
  wait
}

export tree=$1
export -f runner cypress browser
for name in python3 node Cypress; do
  ln -sf -- "$(command -v bash)" "$tree/$name"
done
ln -sf -- "$(command -v sleep)" "$tree/chrome"
"$tree/python3" -c runner ./run-sorry-cypress.py &
# No process writes into it: this sleeps until its other end is closed.
read -r _ <"$tree/hold" || true
