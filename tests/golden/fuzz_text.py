"""fuzz_text.py - made-up text and hostile strings for tokenizers: every script, digits, spaces."""

RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0x30, 0x39), (0x61, 0x7A), (0x00, 0x1F),
    (0x7F, 0xFF), (0x100, 0x24F), (0x2B0, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F),
    (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x218F),
    (0x2190, 0x2BFF), (0x3000, 0x30FF), (0x3000, 0x30FF), (0x3100, 0x33FF), (0x4E00, 0x4FFF),
    (0x9FA0, 0x9FB0), (0xAC00, 0xACFF), (0xE000, 0xE010), (0xFE00, 0xFE2F), (0xFF00, 0xFFEF),
    (0x10300, 0x1034F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF),
    (0x20000, 0x200FF), (0xE0100, 0xE01EF), (0x660, 0x669), (0x966, 0x96F),
]
PARTS = [
    " ", "  ", "   ", "\n", "\r\n", "\r", "\n\n", "\t", " \n", "\n ", "\u00a0", "\u3000", "\u2028",
    "\u0085", "\u200b", "\u200d", "\ufeff", "\u180e", "'s", "'ll", "'RE", "don't", "1", "12", "123",
    "1234567", "１２３４５", "3.14", "1,000", "²³", "Ⅷ", "½", "中文", "かな", "カナ", "漢字かな交じり",
    "毕老师！", "한국어", "e\u0301", "न\u092e\u0938\u094d\u0924\u0947", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "the", "The", "and",
    "of", "word", "words", "_word", "word.", "--", "...", "?!", "!important", "#tag", "@home", "/path",
    "(x)", "[y]", "{z}", "<a>", "a_b", "CamelCase", "a１２３４５中文かな\r\n  x", "ſ", "İ", "ß", "\x00",
]


def made_up_text(rng, n_lines):
    """Lines of invented words in several scripts, with digits and punctuation."""
    syllables = [c + v for c in "bcdfghklmnprstvw" for v in ("a", "e", "i", "o", "u", "ea", "ing", "er")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(400)]
    words += ["".join(chr(rng.randint(0x4E00, 0x4E40)) for _ in range(2)) for _ in range(60)]
    words += ["".join(chr(rng.randint(0x3042, 0x3060)) for _ in range(3)) for _ in range(40)]
    words += ["the", "of", "and", "to", "in", "word", "words", "don't"] * 20
    for _ in range(n_lines):
        line = " ".join(rng.choices(words, k=rng.randint(3, 12)))
        yield line + rng.choice([".", "!", "...", ",", "", " 42", " 1234", "\n", "  \n", "'s"])


def random_character(rng):
    low, high = rng.choice(RANGES)
    return chr(rng.randint(low, high))


def fuzz_strings(rng, n, specials=()):
    """n strings that mix parts, random characters, special tokens and runs."""
    yield from ["", " ", "\n", "a", *specials]
    for _ in range(n):
        out = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.55:
                out.append(rng.choice(PARTS))
            elif kind < 0.85:
                out.append("".join(random_character(rng) for _ in range(rng.randint(1, 4))))
            elif kind < 0.93 and specials:
                out.append(rng.choice(specials))
            else:
                out.append(rng.choice([" ", "\n", "a", "=", "0", "中", "é", "\r"]) * rng.randint(2, 60))
        yield "".join(out)
