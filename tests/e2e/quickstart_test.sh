#!/usr/bin/env bash
# quickstart_test - which run ./quickstart trains: a stopped one goes on, a finished one is kept.
#
# Arguments: the farthing program (not used), the source tree.  What it calls are stand-ins.
set -uo pipefail
tree=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
faults=0
mkdir -p bin tools recipes build/release
cp "$tree/quickstart" .
cp "$tree/recipes/quickstart.toml" recipes/
: > tools/corpus_packages.txt
for name in bin/cmake bin/ninja tools/install_packages tools/quickstart_result; do
  printf '#!/bin/sh\nexit 0\n' > "$name"
done
# Trains in no time; STATE is the receipt's, STATUS its exit.
cat > build/release/farthing <<'PROGRAM'
#!/bin/sh
case "$1" in
  train)
    echo "$4" >> trained
    mkdir -p "$4"
    [ -z "$STATE" ] || printf '{\n  "state": "%s",\n}\n' "$STATE" > "$4/receipt.json"
    exit "$STATUS" ;;
  data) mkdir -p data/english && echo '{}' > data/english/card.json ;;
esac
PROGRAM
chmod +x bin/* tools/* build/release/farthing

# expect STATUS RUN: quickstart's own status, and the run folder that it gave to farthing train.
expect() {
  local status=0 trained
  STATE=$3 STATUS=$4 PATH=$work/bin:$PATH ./quickstart > out 2>&1 < /dev/null || status=$?
  trained=$(tail -n 1 trained)
  [ "$status" = "$1" ] && [ "$trained" = "$2" ] && return
  echo "FAILED: status $status and $trained, wanted $1 and $2"
  cat out
  faults=$((faults + 1))
}
expect 130 runs/quickstart interrupted 130
expect 75 runs/quickstart preempted 75
expect 137 runs/quickstart "" 137
expect 0 runs/quickstart finished 0
expect 130 runs/quickstart-2 interrupted 130
expect 0 runs/quickstart-2 finished 0
expect 0 runs/quickstart-3 finished 0
[ "$faults" = 0 ] && echo "quickstart takes the right run"
exit "$((faults > 0))"
