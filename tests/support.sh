# support.sh - what the shell tests share; each begins with `. "$2/tests/support.sh"`.
#
# Gives: $farthing, $tree (the arguments), $work (a folder of the test's own, made the current one
# and removed at the end), faults, and the functions below.
set -uo pipefail
farthing=$1
tree=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
faults=0

# fail WORDS: one more fault, with the beginning of what the last command said.
fail() {
  echo "FAILED $*"
  head -c 2000 out err
  faults=$((faults + 1))
}
# expect STATUS WHAT COMMAND...: runs it, keeps its output in out and err.
expect() {
  local wanted=$1 what=$2 status=0
  shift 2
  "$@" > out 2> err < /dev/null || status=$?
  [ "$status" = "$wanted" ] || fail "$what: status $status, wanted $wanted: $*"
}
# contains FILE TEXT WHAT
contains() {
  grep -qF -- "$2" "$1" || fail "$3: $1 does not contain \"$2\""
}
# write_book PARAGRAPHS: book.txt
write_book() {
  local i
  for i in $(seq 1 "$1"); do
    printf 'Once upon a time there were %d farthings in a purse, and the %dth was bent.\n\n' "$i" "$((i % 7))"
  done > book.txt
}
# write_recipe UNTIL: recipe.toml of the smallest whole model, on the shards of $work/data
write_recipe() {
  cat > recipe.toml <<TOML
[model]
vocab_size = 320
hidden_size = 32
num_hidden_layers = 2
first_k_dense_replace = 1
intermediate_size = 64
moe_intermediate_size = 16
num_attention_heads = 2
q_lora_rank = 16
kv_lora_rank = 16
qk_nope_head_dim = 8
qk_rope_head_dim = 8
v_head_dim = 8
n_routed_experts = 4
n_shared_experts = 1
num_experts_per_tok = 2
num_nextn_predict_layers = 1

[data]
train = "$work/data"
sequence_length = 32

[train]
until = "$1"
batch_tokens = 64
learning_rate = 1e-3
TOML
}
