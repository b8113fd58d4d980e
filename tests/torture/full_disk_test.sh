#!/usr/bin/env bash
# full_disk_test - commands that write onto a full disk say so, end with 4, and lose nothing.
#
# Arguments: the farthing program, the source tree.  Mounts small tmpfs: needs root, else skipped.
. "$2/tests/support.sh"
disk=$work/disk
mkdir "$disk"
trap 'umount -l "$disk" 2> /dev/null; rm -rf "$work"' EXIT
if ! mount -t tmpfs -o size=200k tmpfs "$disk" 2> err; then
  echo "skipped: cannot mount a tmpfs: $(cat err)"
  exit 77
fi

# full WHAT COMMAND...: must end with 4, name the disk's file and say it once.
full() {
  local what=$1 status=0
  shift
  "$@" > out 2> err < /dev/null || status=$?
  [ "$status" = 4 ] || fail "$what: status $status, wanted 4"
  grep -q "$disk.*No space left on device" err || fail "$what: its message"
  [ "$(grep -c 'No space left' err)" = 1 ] || fail "$what: said more than once"
}
fill() { dd if=/dev/zero of="$disk/fill" bs=1k count=40000 2> /dev/null; }

write_book 2000
write_recipe 4steps
prepare=(data prepare book.txt --documents blank-line --vocab-size 320)
"$farthing" "${prepare[@]}" -o data > out 2>&1 || fail "data prepare where there is room"
"$farthing" train recipe.toml --run run > out 2>&1 || fail "train where there is room"

# Little room: the token files do not fit.  With more, the same command goes on from there.
full "data prepare" "$farthing" "${prepare[@]}" -o "$disk/data"
[ ! -e "$disk/data/card.json" ] || fail "data prepare: a card without its token files"
mount -o remount,size=20m "$disk"
"$farthing" "${prepare[@]}" -o "$disk/data" > out 2> err || fail "data prepare after there is room"
cmp data/train.bin "$disk/data/train.bin" || fail "data prepare: other tokens after a full disk"

# No room at all.  What stands there already stays as it is.
mkdir "$disk/old"
cp run/events.jsonl run/recipe.toml run/receipt.json run/receipt.html "$disk/old"
cp -r run/model "$disk/old-model"
"$farthing" tokenizer train book.txt --vocab-size 300 -o "$disk/tokenizer.json" > out 2> err ||
  fail "tokenizer train where there is room"
fill
before=$(cd "$disk" && find . -type f -size +0 -exec cksum {} + | sort)
full "data prepare again" "$farthing" "${prepare[@]}" --val-fraction 0.1 --force -o "$disk/data"
full "tokenizer train" "$farthing" tokenizer train book.txt --vocab-size 310 -o "$disk/tokenizer.json"
full "report" "$farthing" report "$disk/old" --html
full "report -o" "$farthing" report run --json -o "$disk/receipt.json"
full "export" "$farthing" export run --to hf -o "$disk/model"
full "train" "$farthing" train recipe.toml --run "$disk/run"
after=$(cd "$disk" && find . -type f -not -path './run/*' -size +0 -exec cksum {} + | sort)
[ "$before" = "$after" ] || { fail "files on the disk"; diff <(echo "$before") <(echo "$after"); }

[ "$faults" = 0 ] && echo "every full disk was survived"
exit "$((faults > 0))"
