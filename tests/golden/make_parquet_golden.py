#!/usr/bin/env python3
"""make_parquet_golden.py - writes text.parquet, which src/data/parquet_test.cpp reads.

    python3 tests/golden/make_parquet_golden.py        (pip install pyarrow)

Four row groups, one empty of text; a nested column first, so that the leaves are numbered otherwise
than the columns; nulls, an empty string, characters of four bytes; zstd pages.
"""
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

rows = [None if i % 10 == 3 else "" if i % 10 == 7 else f"Row {i} \U0001fa99 holds {i * i} pennies."
        for i in range(100)]
table = pa.table({
    "origin": pa.array([{"site": f"s{i % 3}", "page": i} for i in range(100)]),
    "number": pa.array(range(100), pa.int64()),
    "text": pa.array(rows, pa.string()),
    "large": pa.array([f"large {i}" for i in range(100)], pa.large_string()),
})
pq.write_table(table, pathlib.Path(__file__).parent / "text.parquet", row_group_size=30,
               compression="zstd")
