#!/usr/bin/env bash
# cost_test - every money command as a user calls it: text, JSON, page, and what wrong input gets.
#
# Arguments: the farthing program, the source tree.
. "$2/tests/support.sh"
export FARTHING_TODAY=2026-11-25

# three WHAT TEXT COMMAND...: as text with TEXT in it, as JSON that begins like it, as a page.
three() {
  local what=$1 text=$2
  shift 2
  expect 0 "$what" "$farthing" "$@"
  contains out "$text" "$what"
  expect 0 "$what --json" "$farthing" "$@" --json
  case "$(head -c 1 out)$(tail -c 2 out | head -c 1)" in
    "{}" | "[]") ;;
    *) echo "FAILED $what --json: no JSON"; head -c 300 out; faults=$((faults + 1)) ;;
  esac
  if grep -E '"[a-z0-9_]+": "not stated"' out | grep -vE '"(agreement|words|device)"' > err; then
    fail "$what --json: words where a number may stand"
  fi
  cp out alone.json
  expect 0 "$what --json --html" "$farthing" "$@" --json --html page.html
  cmp -s out alone.json || fail "$what --json --html: not the JSON alone"
  expect 0 "$what --html" "$farthing" "$@" --html page.html
  contains page.html "</html>" "$what --html"
  rm -f page.html
}

# 1. Every subcommand, three ways.
three "explain V3" "quoted, not computed" cost explain deepseek-v3
three "explain V3.2" "No training cost of V3.2 was published" cost explain deepseek-v3.2
three "claims" "arith" cost claims --wrong
expect 0 "factors" "$farthing" cost factors deepseek-v3  # 2 s: only once
contains out "Shapley" "factors"
three "history" "nanochat" cost compare
three "factor chain" "x" cost compare gpt-4 deepseek-v3
expect 2 "a model beside itself" "$farthing" cost compare gpt-4 gpt-4
contains err "found gpt-4 twice, wanted two models" "a model beside itself"
three "serving" "How good is the prediction" cost serve deepseek-v3 --cluster h800-2048 --rent 2
expect 0 "serving another model" "$farthing" cost serve llama3.1-405b --cluster h100-512
contains out "DeepSeek's published day" "serving another model: whose traffic"
contains out "Revenue and margin are not stated" "serving another model: no one's prices"
contains out "nodes; h100-512 has 64" "serving another model: more nodes than there are"
expect 0 "serving at a price" "$farthing" cost serve llama3.1-405b --cluster h100-512 --price-in 1 --price-out 3
grep -E 'gross margin +-?[0-9]' out > /dev/null || fail "serving at a price: no margin"
expect 0 "serving little" "$farthing" cost serve llama3.1-70b --cluster h100-512 --input 1M --output 1M --rent 2
contains out "the smallest instance, 1 device, costs" "serving little: whole devices"
expect 0 "serving at an old price" env FARTHING_TODAY=2030-01-01 "$farthing" cost serve deepseek-v3
contains out "Warning: h800" "serving at an old price"
three "own or rent" "Owning pays from" cost own-or-rent
expect 0 "own or rent as it stands" "$farthing" cost own-or-rent
contains out "Own or rent 2048 H800 for a run of 2.788M h" "own or rent: title"
expect 0 "own or rent of others" "$farthing" cost own-or-rent --device h100-sxm --devices 256 \
  --hours 400000
contains out "Own or rent 256 h100-sxm for a run of 400,000 h" "own or rent of others: title"
contains out "committed: rent of a device-hour committed for three years" "own or rent of others"
grep -E 'committed: rent of a device-hour .*[$]2[.]59/h' out > /dev/null || fail "own or rent of others: committed price"
contains out "what was published is of another case" "own or rent of others: no check"
expect 0 "own or rent without spot" "$farthing" cost own-or-rent --device rtx-4090 --devices 4 --hours 10000
contains out "No spot price of rtx-4090 in the list" "own or rent without spot"
contains out "Still of nodes of eight H100 or H800, not of rtx-4090" "own or rent without spot: whose"
if grep -F '2.46' out > /dev/null; then fail "own or rent without spot: another device's"; fi
expect 0 "own or rent at a spot of one's own" "$farthing" cost own-or-rent --device rtx-4090 --spot 0.3
contains out "the run on spot devices" "own or rent at a spot of one's own"
for settled in "--pp 4" "--tokens 5T" --bom --sensitivity "--framework fsdp"; do  # the search decides, or has no use for it
  # shellcheck disable=SC2086
  expect 2 "a budget with $settled" "$farthing" plan --budget 300kUSD --cluster h100-spot $settled
done
expect 4 "a budget of a dollar" "$farthing" plan --budget '$1' --cluster h100-spot
contains err "or more: dense-96m on" "a budget of a dollar: what would do"
expect 4 "a deadline of a second" "$farthing" plan --budget 300kUSD --deadline 1s --cluster h100-spot
contains err "min or more: dense-96m on" "a deadline of a second: what would do"
expect 2 "own or rent of absurd hours" "$farthing" cost own-or-rent --hours 1e30
three "scenario" "Answers" cost scenario indie-30b
expect 0 "prices" "$farthing" cost prices h100-sxm
contains out "superseded" "prices"
expect 0 "prices --json" "$farthing" cost prices h100-sxm --json
contains out '"stale"' "prices --json"

# 2. Other prices, other inputs.
cat > mine.toml <<TOML
[[price]]
item = "h800-sxm"
kind = "on-demand"
value = 1.5
unit = "USD/h"
date = "2026-11"
source = "an offer to us"
[[price]]
item = "h100-sxm"
kind = "on-demand"
value = 2
unit = "USD/h"
date = "2026-11"
source = "an offer to us"
TOML
expect 0 "a scenario of its own prices" "$farthing" cost scenario spot --prices mine.toml
contains out "Nothing of mine.toml is used in this scenario" "a scenario of its own prices"
expect 0 "a scenario at a list's price" "$farthing" cost scenario cloud --prices mine.toml
contains out "Of mine.toml: " "a scenario at a list's price"
expect 0 "explain --prices" "$farthing" cost explain deepseek-v3 --prices mine.toml
contains out '$4.182M' "explain --prices: 2,788,000 hours at 1.50"
contains out '$5.576M' "explain --prices: the published figure stays"
contains out 'the final run: $4.182M' "explain --prices: the definitions follow"
contains out 'all runs: $6.273M to $23.42M' "explain --prices: the definitions follow"
sed 's/on-demand/buy/;s/1.5/20000/;s#USD/h#USD#' mine.toml | head -7 | cat - mine.toml > owned.toml
expect 0 "explain --prices of a machine" "$farthing" cost explain deepseek-v3 --prices owned.toml
# 2048 x 20,000 x 1.64 / 0.81 over 3 x 8766 h for 1361.3 h, and 2.788M h x 1.05 kW x 1.45 x 0.08
contains out 'amortised: $4.633M' "explain --prices of a machine: 4.293M worn, 0.340M of power"
sed 's/2026-11/2024-01/' mine.toml > older.toml
expect 0 "explain at stale prices" "$farthing" cost explain deepseek-v3 --prices older.toml
contains out 'rent of an H800 in the price list: a price of 2024-01' "explain at stale prices: warned"
expect 0 "explain --set" "$farthing" cost explain deepseek-v3 --set price=3
contains out '$8.364M' "explain --set"
contains out 'With your values: ' "explain --set: whose"
if grep -qF "does not follow (off by 50 %)" out; then fail "explain --set: blames the source"; fi
tr -s ' \n' ' ' < out | grep -qF 'the final run: $8.364M with your values' || fail "explain --set: whose definition"
tr -s ' \n' ' ' < out | grep -qF 'Epoch AI saw 3.42 for an H800 in 2025 (2025-03)' || fail "explain: dates of prices"
cat > theirs.csv <<CSV
id,inputs,formula,stated,verdict_evidence
one,"a=10; b=2",a/b,7,ok
two,"a=10; b=2",a/b,5,ok
CSV
expect 0 "claims of a file" "$farthing" cost claims --file theirs.csv --wrong
contains out "1 of 2 are wrong" "claims of a file: a sum that is off"
sed -i 2d theirs.csv
expect 0 "claims of a file without a wrong one" "$farthing" cost claims --file theirs.csv --wrong
contains out "None is wrong" "claims of a file without a wrong one"
expect 0 "plan --prices" "$farthing" plan deepseek-v3 --cluster h800-2048 --tokens 1T --prices mine.toml
contains out '1.50' "plan --prices"

# 3. A simulation: devices keep their name, its receipt is valid, and is priced again.
expect 0 "simulate" "$farthing" simulate deepseek-v3 --cluster h800-2048 --tokens 1T --run runs/acted
expect 0 "report of devices" "$farthing" report runs/acted
contains out "per h800-hour" "report of devices"
if grep -qF "core-hour" out; then
  echo "FAILED report of devices: speaks of core-hours"
  faults=$((faults + 1))
fi
expect 0 "report --json" "$farthing" report runs/acted --json -o receipt.json
expect 0 "validate" "$farthing" cost validate receipt.json
contains out "valid" "validate"
expect 0 "receipt priced again" "$farthing" report receipt.json --prices mine.toml
contains out "1.5 USD per h800-hour" "receipt priced again"
contains out "as it was made" "receipt priced again"
sed 's/"training_flops": *[0-9.e+]*/"training_flops": -1/' receipt.json > negative.json
expect 3 "a receipt with negative FLOPs" "$farthing" cost validate negative.json
contains out "training_flops" "a receipt with negative FLOPs: where"
# contradict NAME SEDSCRIPT WHERE: a valid receipt made to contradict itself is refused, at WHERE.
contradict() {
  sed -E "$2" receipt.json > contradicts.json
  if cmp -s receipt.json contradicts.json; then
    echo "FAILED $1: nothing was changed"
    faults=$((faults + 1))
  fi
  expect 3 "$1" "$farthing" cost validate contradicts.json
  contains out "$3" "$1: where"
}
contradict "seconds that do not add up" '/"seconds"/,/}/s/("total": ).*/\11000.0/' /seconds/total
contradict "dollars that do not add up" '/"usd"/,/}/s/("total": )[0-9.]*/\11.0/' /usd/total
contradict "kWh that are not its joules" 's/("kwh": )[0-9.]*/\11000.0/' /energy/kwh
contradict "hours that are not its seconds" 's/("device_hours": )[0-9.]*/\1170000.0/' /compute/device_hours
contradict "two kinds of FLOPs" 's/("training_flops": )[0-9.e+]*/\11e+23/' /compute/training_flops
contradict "an end before its beginning" 's/("ended": ).*/\1"2025-12-31"/' /dates/ended
contradict "a part above the whole" \
  's/("final_run": ).*/\1{"usd": 608465.05, "basis": "ledger"},/;s/("all_runs": ).*/\1{"usd": 5.0, "basis": "ledger"},/' \
  /definitions/all_runs
sed '/"seconds"/,/}/s/\("total": \).*/\11000.0/' receipt.json > contradicts.json
expect 3 "compare a receipt that contradicts itself" "$farthing" compare contradicts.json theirs.json
contains err "contradicts" "compare a receipt that contradicts itself"
expect 3 "a receipt that is none" "$farthing" cost validate mine.toml
cat > anyones.json <<JSON
{"receipt": "farthing-receipt/1",
 "definitions": {"final_run": "not stated", "all_runs": "not stated",
   "research_and_development": "not stated", "programme": "not stated", "amortised": "not stated"},
 "compute": {"training_flops": 1e19, "training_time_hours": 10, "device": "TPU v5e", "devices": 8,
   "device_hours": 80}, "energy": {"kwh": 20, "basis": "measured", "pue": 1.1}, "tokens": 1e9,
 "dates": {"begun": "2026-01-01", "ended": "2026-01-02"}, "prices": [],
 "hashes": {"weights": "not stated"}}
JSON
expect 0 "anyone's receipt" "$farthing" cost validate anyones.json
expect 0 "anyone's receipt compares" "$farthing" compare anyones.json receipt.json
contains out "does not state its dollars" "anyone's receipt compares"
expect 0 "a receipt compares at other prices" "$farthing" compare receipt.json --prices mine.toml --json
contains out '"usd_per_core_hour": 1.5' "a receipt compares at other prices"
expect 0 "anyone's receipt on a page" "$farthing" compare anyones.json receipt.json --html c.html
sed 's/"device_hours": 80/"device_hours": 800/' anyones.json > contradicts.json
expect 3 "anyone's receipt contradicts itself" "$farthing" compare contradicts.json receipt.json
contains err "contradicts.json: /compute/device_hours" "anyone's receipt contradicts itself"
sed 's/"weights": "not stated"/"weights": "trust me"/' anyones.json > contradicts.json
expect 3 "a hash without algorithm" "$farthing" cost validate contradicts.json

# 4. A project: a simulation costs nothing, an import is priced by its device, a deleted run counts.
cat > log.csv <<CSV
step,tokens,seconds,loss
1,1000000,3600,9.5
2,2000000,7200,8.5
CSV
expect 0 "import" "$farthing" import-run log.csv --format csv --cluster h800-2048 --devices 8 \
  --run runs/theirs
expect 0 "receipt of an import" "$farthing" report runs/theirs --json -o theirs.json
expect 0 "receipt of an import" "$farthing" cost validate theirs.json
contains theirs.json '"training_flops": "not stated"' "unknown FLOPs"
echo '{"run":"gone","project":"default","purpose":"experiment","phase":"pre-training",' \
  '"state":"finished","core_seconds":360000,"tokens":5}' > runs/ledger.jsonl
three "project" "not stated" cost project runs --prices default
expect 0 "project" "$farthing" cost project runs
contains out "a simulation, costs nothing" "project"
contains out "h800-hours" "project: the import counts devices"
contains out "none, taken as rented: " "project: nobody stated no electricity"
if grep -qF '$0 ' out; then fail "project: a zero that nobody stated"; fi
expect 0 "project as JSON" "$farthing" cost project runs --json
contains out '"final_usd": null' "project: a phase without runs"
mkdir torn
{ sed 's/gone/final/; s/experiment/final/' runs/ledger.jsonl; cat runs/ledger.jsonl
  sed 's/"core_seconds":/&-/' runs/ledger.jsonl; } > torn/ledger.jsonl
expect 3 "a bad ledger line" "$farthing" cost project torn
contains out "cost: at least 2 runs; LEFT OUT of all sums: 1 entry" "a bad ledger line: told at the top"
contains out "over the final run: at least 2x unless a final run is left out" "a bad ledger line: tax"
contains out "in core-hours" "project: the deleted run counts cores"
contains out "extension" "project: by phase"
expect 0 "compare" "$farthing" compare runs/acted runs/theirs receipt.json
contains out "acted" "compare"
grep -E "acted +simulation " out > /dev/null || { echo "FAILED compare: kind of a simulation"; faults=$((faults + 1)); }
grep -E "theirs +import " out > /dev/null || { echo "FAILED compare: kind of an import"; faults=$((faults + 1)); }

# 4b. A run that was trained here: its receipt is valid too, and refused where it contradicts itself.
write_book 400
expect 0 "data for a run" "$farthing" data prepare book.txt --documents blank-line --vocab-size 320 -o data
write_recipe 3steps
expect 0 "a trained run" "$farthing" train recipe.toml --run trained --set run.purpose=final
expect 0 "receipt of a trained run" "$farthing" report trained --json -o receipt.json
expect 0 "receipt of a trained run: valid" env -u FARTHING_TODAY "$farthing" cost validate receipt.json  # it ran today
contains receipt.json '"basis": "' "receipt of a trained run: the final run has its basis"
contains receipt.json '"device": "core"' "receipt of a trained run: counts cores"
contradict "a trained run: seconds that do not add up" '/"seconds"/,/}/s/("total": ).*/\11000.0/' \
  /seconds/total
contradict "a trained run: dollars that do not add up" '/"usd"/,/}/s/("total": )[0-9.e-]*/\11.0/' /usd/total
contradict "a trained run: kWh that are not its joules" 's/("kwh": )[0-9.e-]*/\11000.0/' /energy/kwh
contradict "a trained run: two kinds of FLOPs" 's/("training_flops": )[0-9.e+]*/\11e+23/' \
  /compute/training_flops
contradict "a trained run: text for FLOPs" 's/("training_flops": )[0-9.e+]*/\1"many"/' \
  /compute/training_flops
three "compare trained runs" "bits per byte" compare trained trained
expect 0 "compare a run with itself" "$farthing" compare trained trained
contains out "the best are equal, no winner" "compare a run with itself"
mkdir -p cache/farthing
expect 3 "a plan of a machine that was not measured" env XDG_CACHE_HOME="$PWD/cache" "$farthing" plan tiny --cluster here
contains err "doctor --steps" "a machine that was not measured: what to do"
cat > cache/farthing/here.toml << 'END'
[machine]
probes = 1
cpu = "some cpu"
isa = "avx2"
measured_on = "2026-11-25"
threads = 2
memory_bytes = 16e9
fp32_peak_flops = 2e11
watts_per_core = 10.0
energy_measured = false
program_bytes = 1e7
auto_precision = "fp32"
[[rates]]
precision = "fp32"
width = 0.1
n_probes = 10
products = 1e-11
surface = 1e-10
core = 1e-11
passes = 1e-10
parameters = 1e-9
blocks = 1e-4
END
expect 3 "a machine measured with older probes" env XDG_CACHE_HOME="$PWD/cache" "$farthing" plan tiny --cluster here
contains err "doctor --steps" "a machine measured with older probes: what to do"
sed -i 's/^probes = .*/probes = 2/' cache/farthing/here.toml
expect 0 "a plan of this machine" env XDG_CACHE_HOME="$PWD/cache" "$farthing" plan tiny --cluster here --json
cp out here.json
expect 0 "compare with a plan of this machine" "$farthing" compare trained here.json
if grep -q "tiny on here does not state its dollars" out; then fail "a plan of this machine: money"; fi

# 4c. A narrow terminal.
for command in "cost explain deepseek-v3" "cost explain deepseek-v3.2" "cost own-or-rent" \
  "cost scenario" "cost scenario indie-30b" "cost claims" "cost compare" \
  "cost compare gpt-4 deepseek-v3" "cost serve deepseek-v3 --cluster h800-2048 --rent 2" \
  "report trained" "cost project runs --runs" "cost prices" "cost validate anyones.json" list \
  "compare trained runs/acted runs/theirs anyones.json"; do
  for columns in 50 80 100; do
    expect 0 "$columns columns: $command" env COLUMNS=$columns "$farthing" $command
    widest=$(LC_ALL=C.UTF-8 awk '{ if (length($0) > m) { m = length($0); line = $0 } } END { print m ": " line }' out)
    [ "${widest%%:*}" -le $columns ] || fail "$columns columns: $command: $widest"
  done
done

expect 0 "50 columns: factors" env COLUMNS=50 "$farthing" cost factors deepseek-v3
contains out "  multi-token prediction" "50 columns: no word is broken"
expect 0 "50 columns: project" env COLUMNS=50 "$farthing" cost project runs
contains out "post-training" "50 columns: no word is broken"

# 4d. What a figure is: whose, of which case, and at most or at least.
expect 0 "a ratio outside its estimates" "$farthing" cost compare gpt-4 deepseek-v3
contains out 'GPT-4: $117.8M here is outside' "a ratio outside its estimates: said"
expect 0 "history" "$farthing" cost compare
contains out 'less than $30.00' "history: TinyZero"
expect 0 "history page" "$farthing" cost compare --html history.html
contains history.html "PaLM 540B, estimate by Epoch AI\"" "history page: whose estimate"
contains history.html "Llama 3.1 405B, disclosed hours, priced at 2 to 5 dollars" "history page: what was disclosed"
expect 0 "claims" "$farthing" cost claims
head -3 out | tr '\n' ' ' | grep -F "article 000, a discussion" > /dev/null || fail "claims: articles first"
expect 0 "explain" "$farthing" cost explain deepseek-v3
contains out 'article 000, a discussion' "explain: what article 000 is"
contains out 'the whole programme: over $500M' "explain: the least stays the least"
contains out 'The published $5.576M is the rent' "explain: the answer"

# 5. Wrong input: one clear message each.
expect 3 "explain of no model" "$farthing" cost explain nope
contains err "deepseek-v3, deepseek-v3.2" "explain of no model: which there are"
expect 3 "explain of another file" "$farthing" cost explain history
contains err "deepseek-v3, deepseek-v3.2" "explain of another file: which there are"
for wrong in "--months -3" "--train-usd -5" "--train-usd nan" "--train-usd inf" "--decode-rate 0" \
  "--decode-rate -7" "--api-usd -1" "--rival-train-usd -5" "--rival-serve-usd -1" "--load 0"; do
  expect 2 "serve $wrong" "$farthing" cost serve deepseek-v3 --cluster h800-2048 --rent 2 $wrong
  contains err "${wrong%% *}" "serve $wrong: which"
done
expect 3 "an unknown model" "$farthing" cost explain deepseek-v33
expect 2 "an unknown input" "$farthing" cost explain deepseek-v3 --set prize=1
contains err "did you mean price" "an unknown input"
expect 2 "a negative input" "$farthing" cost explain deepseek-v3 --set price=-1
for zero in "own-or-rent --rent 0" "own-or-rent --spot 0" \
  "scenario indie-30b --set mfu=0" "explain deepseek-v3 --set life=0"; do
  expect 2 "nothing to divide by: $zero" "$farthing" cost $zero
  contains err "found 0, wanted above 0" "nothing to divide by: $zero"
done
for absurd in "--devices 0.5" "--devices 0" "--busy 0.7" "--years 500" "--set server_factor=0.1"; do
  # shellcheck disable=SC2086
  expect 2 "no cluster: $absurd" "$farthing" cost own-or-rent $absurd
  contains err "${absurd%%[ =]*}" "no cluster: $absurd: which"
done
for warned in "--spot 50" "--hours 7e8"; do
  # shellcheck disable=SC2086
  expect 0 "no bargain: $warned" "$farthing" cost own-or-rent $warned
  contains out "Warning: " "no bargain: $warned"
done
expect 2 "nothing to serve" "$farthing" cost serve deepseek-v3 --input 0 --output 0
contains err "0 in and 0 out" "nothing to serve"
for paged in "cost own-or-rent" "cost claims" "cost explain deepseek-v3" "cost compare" "cost factors" \
  "cost scenario spot" "cost serve deepseek-v3" "cost project runs" "plan deepseek-v3" "compare trained trained" \
  "simulate deepseek-v3"; do
  # shellcheck disable=SC2086
  expect 2 "a page without a name: $paged" "$farthing" $paged --html ""
  contains err "--html" "a page without a name: $paged"
done
expect 2 "an impossible PUE" "$farthing" cost own-or-rent --set pue=0.5
expect 2 "an impossible share" "$farthing" cost explain deepseek-v3 --set network_share=1
expect 0 "a rent below the electricity" "$farthing" cost own-or-rent --rent 0.05
contains out "owning never pays" "a rent below the electricity"
expect 2 "no such place" "$farthing" cost prices --region mars
expect 2 "no such place" "$farthing" cost own-or-rent --region mars
expect 3 "no such price" "$farthing" cost prices nothing-like-it --json
expect 2 "a limit below nothing" "$farthing" train tiny --until -5steps
if grep -qF "a limit: a limit" err; then fail "a limit below nothing: says it twice"; fi
expect 2 "an absurd share" "$farthing" cost own-or-rent --busy 120
expect 2 "no number" "$farthing" cost scenario indie-30b --set budget=much
for wrong in "scenario spot --set spot" "scenario indie-30b --set mfu=abc" "own-or-rent --hours abc" \
  "scenario --set foo=1" "scenario --html zz.html" "scenario deepseek-day --set hits=700e9" \
  "explain deepseek-v3 --set retail_low=12" "serve deepseek-v3 --input -5"; do
  # shellcheck disable=SC2086
  expect 2 "wrong use: $wrong" "$farthing" cost $wrong
done
[ ! -e zz.html ] || fail "a page of no scenario"
expect 2 "nothing left for compute" "$farthing" plan --budget 300kUSD --other 400kUSD
contains err "--other" "nothing left for compute: which"
expect 0 "a figure that is a bound" "$farthing" cost explain deepseek-v3.2
contains out 'over $532,800' "a figure that is a bound"
expect 0 "a rack with its servers" "$farthing" cost own-or-rent --device gb200-nvl72
contains out "The price of a device includes its server" "a rack with its servers"
expect 3 "an unknown scenario" "$farthing" cost scenario indie-31b
expect 3 "an unknown device" "$farthing" cost own-or-rent --device h900
expect 3 "a missing folder" "$farthing" cost project nowhere
expect 2 "no model" "$farthing" cost explain
expect 2 "shares of no budget" "$farthing" plan deepseek-v3 --experiments 0.4 --failed 0.5
contains err "--budget" "shares of no budget: what is missing"
expect 2 "an unknown flag" "$farthing" cost claims --dear
sed 's/^value = 1.5/value = -1.5/' mine.toml > negative.toml
expect 3 "a negative price" "$farthing" cost explain deepseek-v3 --prices negative.toml
contains err "negative.toml:" "a negative price: where"
sed 's/USD/CNY/' mine.toml > mixed.toml
expect 3 "mixed currencies" "$farthing" cost explain deepseek-v3 --prices mixed.toml
contains err "CNY" "mixed currencies"
sed '0,/item/s/h800-sxm/h700-sxm/' mine.toml > missing.toml
expect 3 "a missing price" "$farthing" cost explain deepseek-v3 --prices missing.toml
contains err "h800-sxm" "a missing price: which"
sed 's/2026-11/2024-01/' mine.toml > old.toml
expect 0 "a stale price" "$farthing" cost prices --prices old.toml
contains out "months old" "a stale price"

# 6. What nobody stated is not zero, and a figure has one answer.
serve="cost serve deepseek-v3 --cluster h800-2048 --rent 2"
# shellcheck disable=SC2086
expect 0 "serving: a rival's training alone" "$farthing" $serve --rival-train-usd 1e8
contains out "its serving is not stated" "serving: a rival's training alone"
# shellcheck disable=SC2086
expect 0 "serving: a rival's serving alone" "$farthing" $serve --rival-serve-usd 0.05
contains out "Serving alone, the other is cheaper" "serving: a rival's serving alone"
if grep -qF "level at" out; then fail "serving: a rival's serving alone: level with what"; fi
# shellcheck disable=SC2086
expect 0 "serving: an API" "$farthing" $serve --api-usd 0.2
tr -s ' \n' ' ' < out | grep -qF 'its training apart (not stated)' || fail "serving: an API: training"

mkdir -p owned
cat > owned/project.toml <<TOML
name = "Test"
machines = "owned"
[[hardware]]
name = "pc"
usd = 100000
hours = 10000
TOML
expect 0 "project: owned machines" "$farthing" cost project owned
contains out "machines bought" "project: owned machines"
if grep -qE '[$]0 electricity|[$]38,026' out; then fail "project: owned machines: electricity or wear of nothing"; fi
if grep -E '^ *in USD .*[$]0$' out > /dev/null; then fail "project: no run costs nothing"; fi
printf '[[compute]]\nname = "r"\ndevice = "h100"\nhours = 1000\nusd_per_hour = 2.5\n' >> owned/project.toml
expect 3 "project: of no such name" "$farthing" cost project owned --project nosuch
contains err 'no project "nosuch"' "project: of no such name"
contains err "Test" "project: of no such name: which there are"
expect 0 "project: by its name" "$farthing" cost project owned --project Test
sed -i '/usd = 100000/a date = "2026-02-30"' owned/project.toml
expect 3 "project: a day that is not" "$farthing" cost project owned
contains err "a date of the calendar" "project: a day that is not"

sed 's/^basis = .*/basis = "own"/; s/^watts = 160/watts = 200/' "$tree/prices/default.toml" > own.toml
expect 0 "a run at another book" "$farthing" report trained --prices own.toml --json
electricity=$(grep -oE '"electricity": [0-9.e-]+' out | head -n 1 | grep -oE '[0-9.e-]+$')
expect 0 "its receipt at that book" "$farthing" report receipt.json --prices own.toml --json
again=$(grep -oE '"electricity_usd": [0-9.e-]+' out | head -n 1 | grep -oE '[0-9.e-]+$')
awk -v a="$electricity" -v b="$again" 'BEGIN { exit !(a > 0 && (a - b) / a < 1e-9 && (b - a) / a < 1e-9) }' ||
  fail "a run and its receipt: electricity $electricity and $again"
contains out "estimated anew" "its receipt at that book"
grep -v '^basis' own.toml | sed -n '/^\[\[price/,$p' > list.toml
expect 3 "a list for cores" "$farthing" compare trained receipt.json --prices list.toml
[ "$(wc -l < err)" -le 3 ] || fail "a list for cores: $(wc -l < err) lines"
contains err "[[price]] entries alone" "a list for cores"

contradict "a trained run: bits per byte" 's/("val_bits_per_byte": )[0-9.e+]*/\11e9/' /val_bits_per_byte
contradict "a trained run: no attempt" 's/("attempts": )[0-9]*/\10/' /attempts
expect 0 "a trained run: what stands alone" env -u FARTHING_TODAY "$farthing" cost validate receipt.json
contains out "attempts" "a trained run: what stands alone"
expect 0 "a scenario with values of one's own" "$farthing" cost scenario start-up --set training=9000000
if grep -qF "The sources' values sit" out; then fail "a scenario with values of one's own: whose"; fi

[ "$faults" -eq 0 ] && echo "cost_test: ok"
[ "$faults" -eq 0 ]
