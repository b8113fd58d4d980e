#!/usr/bin/env python3
"""Megatron's published reader opens farthing's shards, and farthing reads what Megatron's writer makes.

    python3 -m venv venv && venv/bin/pip install megatron-core torch numpy
    venv/bin/python bench/peers/megatron_reads_ours.py build/release/farthing [--layout-only]

1. `farthing data prepare` on a few texts; megatron.core.datasets.indexed_dataset.IndexedDataset reads
   train.bin/.idx; documents, their tokens (decoded by farthing) and the dtype are compared.
2. IndexedDatasetBuilder writes documents of several sequences as int32 and as uint16;
   `farthing data inspect --json` must count the same.
With --layout-only (where megatron-core cannot be installed) a reader and a writer of the layout that
docs/formats.md gives, written here with struct alone, take their place; the output says which it was.
"""
import argparse, json, pathlib, struct, subprocess, sys, tempfile


class LayoutReader:
    """The documented layout, read with struct."""
    def __init__(self, prefix):
        raw = pathlib.Path(prefix + ".idx").read_bytes()
        assert raw[:9] == b"MMIDIDX\0\0"
        version, code, n_sequences, n_documents = struct.unpack_from("<QBQQ", raw, 9)
        assert version == 1
        self.format, self.size = {4: ("i", 4), 8: ("H", 2)}[code]
        self.lengths = struct.unpack_from(f"<{n_sequences}i", raw, 34)
        self.offsets = struct.unpack_from(f"<{n_sequences}q", raw, 34 + 4 * n_sequences)
        self.document_indices = struct.unpack_from(f"<{n_documents}q", raw, 34 + 12 * n_sequences)
        self.data = pathlib.Path(prefix + ".bin").read_bytes()

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, i):
        return list(struct.unpack_from(f"<{self.lengths[i]}{self.format}", self.data, self.offsets[i]))


def write_layout(prefix, documents, code):
    format_, size = {4: ("i", 4), 8: ("H", 2)}[code]
    lengths, offsets, indices, data = [], [], [0], b""
    for document in documents:
        for sequence in document:
            offsets.append(len(data))
            lengths.append(len(sequence))
            data += struct.pack(f"<{len(sequence)}{format_}", *sequence)
        indices.append(len(lengths))
    pathlib.Path(prefix + ".bin").write_bytes(data)
    pathlib.Path(prefix + ".idx").write_bytes(
        b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, code, len(lengths), len(indices)) + struct.pack(f"<{len(lengths)}i", *lengths)
        + struct.pack(f"<{len(offsets)}q", *offsets) + struct.pack(f"<{len(indices)}q", *indices))


def write_megatron(prefix, documents, code):
    import numpy, torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
    builder = IndexedDatasetBuilder(prefix + ".bin", dtype={4: numpy.int32, 8: numpy.uint16}[code])
    for document in documents:
        for sequence in document:
            builder.add_item(torch.tensor(sequence))
        builder.end_document()
    builder.finalize(prefix + ".idx")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("farthing")
    parser.add_argument("--layout-only", action="store_true")
    options = parser.parse_args()
    texts = [f"document {i}: " + "some words and numbers 12345 " * (i % 5 + 1) for i in range(200)]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        subprocess.run([options.farthing, "data", "prepare", str(folder / "texts.jsonl"), "-o", str(folder / "data"),
                        "--vocab-size", "400", "--json"], check=True, capture_output=True)
        if options.layout_only:
            reader, who = LayoutReader(str(folder / "data" / "train")), "a reader of the documented layout"
        else:
            import megatron.core
            from megatron.core.datasets.indexed_dataset import IndexedDataset
            reader, who = IndexedDataset(str(folder / "data" / "train")), f"megatron-core {megatron.core.__version__}"
        card = json.loads((folder / "data" / "card.json").read_text())["splits"]["train"]
        assert len(reader) == card["documents"], (len(reader), card)
        assert list(reader.document_indices) == list(range(len(reader) + 1))
        assert sum(len(reader[i]) for i in range(len(reader))) == card["tokens"]
        known = set(texts)
        for i in range(0, len(reader), 17):
            ids = json.dumps([int(t) for t in reader[i]])
            text = subprocess.run([options.farthing, "tokenizer", "decode", str(folder / "data"), "--ids", ids, "--skip-special"],
                                  check=True, capture_output=True, text=True).stdout
            assert text in known, text
        print(f"{who} reads farthing's {len(reader)} documents, {card['tokens']} tokens")
        documents = [[[d * 10 + s + t for t in range(1 + (d + s) % 7)] for s in range(1 + d % 3)] for d in range(50)]
        tokens = sum(len(s) for d in documents for s in d)
        for code, name in ((4, "int32"), (8, "uint16")):
            made = folder / name
            made.mkdir()
            (write_layout if options.layout_only else write_megatron)(str(made / "train"), documents, code)
            split = json.loads(subprocess.run([options.farthing, "data", "inspect", str(made), "--json"], check=True,
                                              capture_output=True, text=True).stdout)["splits"]["train"]
            assert (split["documents"], split["tokens"]) == (50, tokens), split
            assert split["sequences"] == sum(map(len, documents))
            assert split["longest_document"] == max(sum(map(len, d)) for d in documents)
            print(f"farthing reads {'the layout' if options.layout_only else who}'s {name}: 50 documents of "
                  f"{split['sequences']} sequences, {tokens} tokens")


if __name__ == "__main__":
    main()
