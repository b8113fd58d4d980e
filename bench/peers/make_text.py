#!/usr/bin/env python3
"""Real text for the tokenizer comparison: documents of three Debian packages, as JSON lines.

    apt-get download linux-source-6.1 dict-gcide debian-handbook
    make_text.py DEB... --megabytes 60 -o text.jsonl

One document a line, key "text": every file of the kernel's source and documentation, every chapter
of the handbook (tags stripped), stretches of the dictionary.  Files are taken in a fixed pseudo-random
order (by a hash of their name) until so many megabytes are there: half source, a quarter each of
documentation and of prose, where there is so much.  Not in git: the kernel is GPL-2.
"""
import argparse, gzip, hashlib, html, json, pathlib, re, subprocess, sys, tarfile, tempfile


def members(deb, folder):
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    return [p for p in pathlib.Path(folder).rglob("*") if p.is_file() and not p.is_symlink()]


def documents(debs, folder):
    """(kind, name, text)"""
    for deb in debs:
        here = pathlib.Path(folder) / pathlib.Path(deb).name
        for path in members(deb, here):
            name = str(path.relative_to(here))
            if path.name.startswith("linux-source") and path.name.endswith(".tar.xz"):
                with tarfile.open(path) as tar:
                    for entry in tar:
                        if not entry.isfile() or entry.size > 2_000_000:
                            continue
                        kind = "documentation" if "/Documentation/" in entry.name else "source"
                        yield kind, entry.name, lambda e=entry: tar.extractfile(e).read()
            elif path.name == "gcide.dict.dz":
                whole = gzip.open(path).read()
                for i in range(0, len(whole), 20000):
                    yield "prose", f"{name}:{i}", lambda i=i: whole[i : i + 20000]
            elif "/en-US/" in name and path.suffix in (".html", ".xhtml"):
                def strip(path=path):
                    text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", path.read_text("utf-8", "replace"))
                    return html.unescape(text).encode()
                yield "prose", name, strip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("debs", nargs="+")
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    share = {"source": 0.5, "documentation": 0.25, "prose": 0.25}
    room = {kind: options.megabytes * 1e6 * s for kind, s in share.items()}
    # A hash of the name decides, with the odds that roughly fill the room from 1.3 GB of source.
    odds = {"source": min(1.0, room["source"] / 1.1e9 * 1.1), "documentation": min(1.0, room["documentation"] / 5e7 * 1.1),
            "prose": 1.0}
    done = dict.fromkeys(room, 0)
    with tempfile.TemporaryDirectory() as folder, open(options.output, "w", encoding="utf-8") as out:
        for kind, name, read in documents(options.debs, folder):
            lot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") / 2**64
            if lot >= odds[kind] or done[kind] >= room[kind]:
                continue
            raw = read()
            if b"\0" in raw or not raw.strip():
                continue
            text = raw.decode("utf-8", "replace")
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            done[kind] += len(raw)
    print({k: f"{v / 1e6:.1f} MB" for k, v in done.items()}, file=sys.stderr)


if __name__ == "__main__":
    main()
