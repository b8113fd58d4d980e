#!/usr/bin/env bash
# program_test - the program as a user calls it: text to a trained, scored, writing, billed model.
#
# Arguments: the farthing program, the source tree.  Also every exit status that bad use must give.
. "$2/tests/support.sh"

write_book 120
write_recipe 6steps

expect 0 version "$farthing" --version
contains out "farthing " version
expect 0 help "$farthing" --help
contains out "train" help
expect 0 "help of train" "$farthing" train --help
contains out "Example:" "help of train"

expect 0 prepare "$farthing" data prepare book.txt --documents blank-line --val-fraction 0.2 \
  --vocab-size 320 -o data
expect 0 train "$farthing" train recipe.toml --run run
expect 0 "train again, finished" "$farthing" train recipe.toml --run run
expect 0 "score" "$farthing" score run --text book.txt --json
contains out '"logprob"' score
contains out '"bits_per_byte"' score
expect 0 generate "$farthing" generate run --prompt "Once" --max-tokens 5 --seed 1
expect 0 eval "$farthing" eval run --json
contains out 'bits_per_byte' eval
evaluated=$(grep -oE '"bits_per_byte": [0-9.]+' out | tail -n 1 | grep -oE '[0-9.]+$')
expect 0 report "$farthing" report run --json
contains out "\"val_bits_per_byte\": $evaluated" "the receipt's bits per byte are those of eval"
contains run/events.jsonl "\"bits_per_byte\":$evaluated" "the run's bits per byte are those of eval"
contains out '"weights_hash"' report
contains out '"steps": 6' report
expect 0 "report as text" "$farthing" report run
contains out "farthing" "report as text"
for file in receipt.json receipt.html recipe.toml events.jsonl tokenizer.json model/config.json \
  model/tokenizer.json model/README.md; do
  [ -s "run/$file" ] || { echo "FAILED run folder: no $file"; faults=$((faults + 1)); }
done
expect 0 "score of the exported model" "$farthing" score run/model --text book.txt --json

# Same recipe, same bits, whatever the number of threads.
expect 0 "train, one thread" "$farthing" train recipe.toml --run run1 --set parallel.threads=1
expect 0 "train, three threads" "$farthing" train recipe.toml --run run3 --set parallel.threads=3
for run in run run1 run3; do
  grep -o '"weights_hash": *"[^"]*"' "$run/receipt.json"
done | sort -u > hashes
[ "$(wc -l < hashes)" = 1 ] || { echo "FAILED same bits with 1, 2, 3 threads"; cat hashes; faults=$((faults + 1)); }

# A limit in money or time: kept with its evaluation, its checkpoint and its export.
expect 0 "a money limit" "$farthing" train recipe.toml --run paid --until 0.00005usd --json
expect 0 "what it cost" "$farthing" report paid --json
awk -v text="$(tr -d ' \n' < out)" 'BEGIN {
  match(text, /"usd":\{[^}]*\}/); usd = substr(text, RSTART, RLENGTH)
  match(usd, /"total":[0-9.e-]+/); total = substr(usd, RSTART + 8, RLENGTH - 8)
  exit !(total > 0.00001 && total <= 0.00006) }' || {
  echo "FAILED a money limit: $(cat out)"; faults=$((faults + 1)); }
contains paid/events.jsonl '"reason":"finished"' "a money limit ends a run cleanly"

# A run that begins from a model, and one from another run's checkpoint with its optimizer.
expect 0 "from a model" "$farthing" train recipe.toml --run from_model --set train.init_from=run/model
contains err "begins with the weights of run/model, with a fresh optimizer" "from a model"
expect 0 "from a run's model" "$farthing" train recipe.toml --run from_run --set train.init_from=run
expect 0 "with checkpoints" "$farthing" train recipe.toml --run base --set checkpoint.every=2 \
  --set checkpoint.keep_every=2 --set train.lr_shape=constant
expect 0 "from a step" "$farthing" train recipe.toml --run branch --set checkpoint.every=2 \
  --set checkpoint.keep_every=2 --set train.lr_shape=constant --set train.init_from=base@2
contains err "begins as base@2, with its optimizer" "from a step"
for run in base branch; do grep -o '"weights_hash": *"[^"]*"' $run/receipt.json; done | sort -u > hashes
[ "$(wc -l < hashes)" = 1 ] || { echo "FAILED a branch at a constant rate is the run"; faults=$((faults + 1)); }
expect 3 "from no such step" "$farthing" train recipe.toml --run none --set train.init_from=base@3
contains err "base@3" "from no such step"
expect 3 "from another shape" "$farthing" train recipe.toml --run none --set train.init_from=run \
  --set model.hidden_size=64
contains err "not the shape of this recipe" "from another shape"
[ ! -e none ] || { echo "FAILED: a refused beginning left its folder"; faults=$((faults + 1)); }

# Wrong use is 2 and names the nearest spelling; a bad world is 3 and names the file or key.
expect 2 "no command" "$farthing"
expect 2 "unknown command" "$farthing" trian
contains err "did you mean train?" "unknown command"
expect 2 "unknown flag" "$farthing" train recipe.toml --untill 3steps
contains err "did you mean --until?" "unknown flag"
expect 3 "missing recipe" "$farthing" train nowhere.toml
contains err "nowhere.toml" "missing recipe"
expect 3 "unknown key" "$farthing" train recipe.toml --run bad --set train.learnin_rate=1
contains err "learning_rate" "unknown key"
expect 2 "an unknown rule" "$farthing" data prepare book.txt --clean gofer -o d2
expect 2 "an odd similarity" "$farthing" data prepare book.txt --dedup near --jaccard 7 -o d2
contains err "--jaccard" "an odd similarity"
for useless in "--decontaminate" "--contamination-ngram 5" "--shuffle-seed 3" "--minhash-bands 9" \
  "--jaccard 0.5" "--max-file-size 5MB" "--vocab-size 400 --tokenizer data/tokenizer.json" \
  "--source x="; do
  # shellcheck disable=SC2086
  expect 2 "a flag that does nothing" "$farthing" data prepare book.txt $useless -o d2
  contains err "${useless%% *}" "a flag that does nothing"
done
mkdir -p foreign twice/in && echo mine > foreign/train.bin && cp book.txt twice/in/book.TXT
prepare=("$farthing" data prepare --documents blank-line --vocab-size 320 --val-fraction 0.2)
expect 3 "files of another program" "${prepare[@]}" book.txt -o foreign
contains err "train.bin" "files of another program"
contains foreign/train.bin mine "files of another program"
echo "int main;" > twice/in/main.c
expect 0 "the output below the input" "${prepare[@]}" twice/in -o twice/in/out
contains out "1 .c" "ignored files are counted"
expect 0 "the same again" "${prepare[@]}" twice/in -o twice/in/out
contains err "already done" "the same again"
contains err "left out, the output folder" "the output below the input"
expect 3 "other settings" "${prepare[@]}" twice/in -o twice/in/out --shuffle
expect 3 "the output is the input" "${prepare[@]}" twice/in -o twice/in/../in
expect 3 "a file of two sources" "${prepare[@]}" --source a=book.txt --source b=./book.txt -o d2
contains err "./book.txt" "a file of two sources"
expect 0 "a file given twice" "${prepare[@]}" book.txt ./book.txt -o once
contains err "taken once" "a file given twice"
expect 3 "a page over a shard" "$farthing" data inspect data --html data/train.bin
contains err "no HTML page" "a page over a shard"
expect 2 "a tokenizer over its text" "$farthing" tokenizer train book.txt -o book.txt --vocab-size 400
expect 3 "a tokenizer over other text" "$farthing" tokenizer train book.txt -o recipe.toml --vocab-size 400
expect 3 "ids outside the vocabulary" "$farthing" tokenizer decode data --ids '[99999,5]'
contains err "outside the vocabulary" "ids outside the vocabulary"
mkfifo pipe.txt
"$farthing" data prepare pipe.txt -o d2 > out 2> err & waiting=$!
sleep 1; kill -TERM $waiting
wait $waiting; status=$?
[ $status = 75 ] || { echo "FAILED: waiting for a pipe ended with $status"; faults=$((faults + 1)); }
contains err "waited for input" "waiting for a pipe"
rm -rf pipe.txt d2 d2.preparing*
expect 3 "missing text" "$farthing" data prepare nowhere.txt -o d2
contains err "nowhere.txt" "missing text"
: > empty.txt
expect 3 "empty text" "$farthing" data prepare empty.txt -o d2
expect 3 "missing model" "$farthing" score nowhere --text book.txt
expect 3 "not a model" "$farthing" score data --text book.txt
echo '{"model_type": "deepseek_v3"' > data/config.json
expect 3 "torn config.json" "$farthing" score data --text book.txt
expect 3 "missing run" "$farthing" report nowhere
expect 2 "override without a value" "$farthing" train recipe.toml --run bad --set nonsense
contains err "wanted key=value" "override without a value"
for wrong in "train recipe.toml --until -5steps" "train recipe.toml --until 3" "generate run --top-p 2" \
  "generate run --seed -1" "generate run --samples 0" "generate run --max-tokens -1" \
  "eval run --window -1" "eval run --max-tokens -1" "score run --text book.txt --window -3" \
  "data prepare book.txt -o d2 --val-fraction 2" "data inspect data --seed -1" \
  "plan deepseek-v3 --precision fp64" "plan deepseek-v3 --schedule x" "plan deepseek-v3 --recompute x" \
  "plan deepseek-v3 --tokens -5T" "plan deepseek-v3 --tokens 5x" "plan deepseek-v3 --framework x" \
  "plan deepseek-v3 --deadline 0d" "plan --budget 0USD" "plan --budget 5EUR" "compare run --at 5zz" \
  "simulate deepseek-v3 --checkpoint-every 3"; do
  # shellcheck disable=SC2086
  expect 2 "wrong use" "$farthing" $wrong
done
expect 3 "no node has no device" "$farthing" plan deepseek-v3 --set node.devices=0
contains err "wanted 1 to 1024" "no node has no device"
expect 3 "a device is no model" "$farthing" plan /dev/null
contains err "something that is no file" "a device is no model"
mkdir -p deepseek-v3 && echo '{"model_type": "other"}' > deepseek-v3/config.json
expect 0 "a name of the book is that model, whatever lies here" "$farthing" plan deepseek-v3 \
  --cluster h800-2048 --json
for both in "--format html --json" "--json --html" "--format text --html"; do
  expect 2 "two formats" "$farthing" report runs/none $both
  contains err 'two formats' "report $both"
done
expect 2 "an empty run folder's name" "$farthing" train recipe.toml --run ""
expect 2 "an empty output folder's name" "$farthing" data prepare book.txt -o ""
expect 3 "output into no folder" "$farthing" report run -o nowhere/receipt.txt
contains err "nowhere/receipt.txt: cannot write" "output into no folder"
expect 3 "output onto a folder" "$farthing" report run -o data
for parent in data tokenizer checkpoint bench; do
  expect 0 "help of $parent" "$farthing" $parent --help
  contains out "farthing $parent COMMAND --help" "help of $parent"
done
expect 3 "recipe without its suffix" "$farthing" train recipe
contains err "did you mean recipe.toml?" "recipe without its suffix"
expect 3 "a file where the data should go" "$farthing" data prepare book.txt -o recipe.toml
contains err "recipe.toml: not a folder" "a file where the data should go"
expect 3 "a file where the corpus should go" "$farthing" data corpus-debian -o recipe.toml
expect 3 "a file where the run should go" "$farthing" train recipe.toml --run book.txt
contains err "book.txt: not a folder" "a file where the run should go"
mkdir -p hollow && : > hollow/events.jsonl
expect 3 "report without events" "$farthing" report hollow
contains err "no events" "report without events"
expect 3 "empty prompt file" "$farthing" generate run --prompt-file empty.txt
contains err "empty.txt" "empty prompt file"
expect 4 "a run that does not fit" "$farthing" train recipe.toml --run big \
  --set model.vocab_size=16777216 --set model.hidden_size=65536
for left in bad big d2; do
  [ ! -e "$left" ] || { echo "FAILED: a refused command left $left"; faults=$((faults + 1)); }
done
if [ -w /dev/full ]; then
  "$farthing" report run > /dev/full 2> err
  status=$?
  [ "$status" = 4 ] || { echo "FAILED full standard output: status $status, wanted 4"; faults=$((faults + 1)); }
fi

# quickstart refuses a text before it installs or builds anything.
head -c 2000 book.txt > short.txt
for text in nowhere.txt empty.txt short.txt; do
  expect 3 "quickstart with $text" "$tree/quickstart" "$text"
  contains err "$text" "quickstart with $text"
done
contains err "wanted at least 20000" "quickstart with a short text"

# A bare name finds a recipe of the source tree from anywhere.
[ -f "$tree/recipes/tiny.toml" ] || { echo "FAILED: no recipes/tiny.toml"; faults=$((faults + 1)); }
expect 3 "bare name without data" "$farthing" train tiny --run bare --until 3steps --set data.train=nowhere
contains err "nowhere" "bare name without data"

[ "$faults" = 0 ] && echo "all as it should be"
[ "$faults" = 0 ]
