"""Makes small tokenizer.json of every kind with random stages and options, from a seed. Left out is where the reference does what nobody
can want:
- Of added tokens that the normalizer makes equal it finds one by chance, another one in each process; where the normalizer leaves nothing
  of one, it searches without an end.
- It decodes an added token that is a letter of Latin-1 to half a character where the vocabulary spells bytes.
- Where a pattern that matched nothing put letters before a text, its later stages write pieces twice, or panic.
And [[:alpha:]] is \\p{L} here and takes vowel signs in there. One thing is ours alone: where a normalizer or splitter turns plain text into the
name of a control token, the reference takes it for the token."""

import json

LETTERS = list("abcdeABEé中あя1 2.,!'-▁Ġ") + ["\u0301", "🦉"]


def maybe(rng, p=0.5):
    return rng.random() < p


def pattern(rng):
    if maybe(rng):
        return {"String": rng.choice([" ", "a", "ab", ".", "▁", "1", "\u0301", "aa", "é", "\n"])}
    return {"Regex": rng.choice([
        r"\s+", r"\d", r"\d{1,3}", r"\p{N}", r"\p{L}+", r"[^\s\p{L}]+", r"\w+|[^\w\s]+", r" {2,}", r"[aeiou]+", r"(?i:ab|'s)", r"\s+(?!\S)|\s+",
        r"[\p{L}\p{M}]+", r" ?\p{L}+| ?\p{N}+", r"\W", r"\S+", r"^a|b$", r".", r"\p{P}", r"\p{Han}+", r"[^\r\n\p{L}\p{N}]?\p{L}+", r"(?<=a)b",
        r"[A-Z]?[a-z]+", r"\b", r"a*", r"\p{Lu}", r"[[:punct:]]", r"\p{Cyrillic}+", r"x?+y", r"\p{S}|\p{M}+", r"\h+"])}


def one_normalizer(rng):
    kind = rng.choice(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace", "Prepend", "Nmt", "BertNormalizer", "ByteLevel"])
    node = {"type": kind}
    if kind == "Strip":
        node.update(strip_left=maybe(rng), strip_right=maybe(rng))
    elif kind == "Replace":
        node.update(pattern=pattern(rng), content=rng.choice(["", " ", "▁", "ab", "é"]))
        if node["pattern"].get("Regex") in (r"\b", r"a*"):
            node["content"] = ""
    elif kind == "Prepend":
        node.update(prepend=rng.choice(["▁", "a", " "]))
    elif kind == "BertNormalizer":
        node.update(clean_text=maybe(rng), handle_chinese_chars=maybe(rng), strip_accents=rng.choice([None, True, False]), lowercase=maybe(rng))
    return node


def sequence(rng, one, key):
    n = rng.choice([0, 1, 1, 1, 2, 3])
    if n == 0:
        return None
    if n == 1:
        return one(rng)
    return {"type": "Sequence", key: [one(rng) for _ in range(n)]}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def metaspace(rng):
    return {"type": "Metaspace", "replacement": rng.choice("▁▁▁_"), "prepend_scheme": rng.choice(["always", "never", "first"]), "split": maybe(rng, 0.7)}


def one_pre_tokenizer(rng):
    kind = rng.choice(["ByteLevel", "ByteLevel", "Split", "Split", "Metaspace", "Digits", "Whitespace", "WhitespaceSplit", "Punctuation",
                       "BertPreTokenizer", "CharDelimiterSplit", "FixedLength"])
    node = {"type": kind}
    if kind == "ByteLevel":
        node.update(add_prefix_space=maybe(rng), trim_offsets=maybe(rng), use_regex=maybe(rng))
    elif kind == "Split":
        node.update(pattern=pattern(rng), behavior=rng.choice(BEHAVIORS), invert=maybe(rng, 0.3))
    elif kind == "Metaspace":
        node = metaspace(rng)
    elif kind == "Digits":
        node.update(individual_digits=maybe(rng))
    elif kind == "Punctuation":
        node.update(behavior=rng.choice(BEHAVIORS))
    elif kind == "CharDelimiterSplit":
        node.update(delimiter=rng.choice([" ", "a", "中"]))
    elif kind == "FixedLength":
        node.update(length=rng.randrange(1, 6))
    return node


def one_decoder(rng):
    kind = rng.choice(["ByteLevel", "Metaspace", "ByteFallback", "Fuse", "Strip", "Replace", "WordPiece", "BPEDecoder"])
    node = {"type": kind}
    if kind == "Metaspace":
        node = metaspace(rng)
    elif kind == "Strip":
        node.update(content=rng.choice([" ", "a"]), start=rng.randrange(3), stop=rng.randrange(3))
    elif kind == "Replace":
        node.update(pattern={"String": rng.choice(["▁", "a", "##"])}, content=rng.choice([" ", "", "b"]))
    elif kind == "WordPiece":
        node.update(prefix="##", cleanup=maybe(rng))
    elif kind == "BPEDecoder":
        node.update(suffix=rng.choice(["</w>", "b"]))
    return node


def decoder(rng, byte_level):
    """As tokenizers have them: byte-level ones have ByteLevel (without a decoder we give bytes, where the reference gives their
    spelling), and BPEDecoder stands alone."""
    if byte_level:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    strip = {"type": "Strip", "content": " ", "start": rng.randrange(3), "stop": rng.randrange(3)}
    spaces = {"type": "Replace", "pattern": {"String": "▁"}, "content": rng.choice([" ", "", "b"])}
    whole = {"type": "Sequence", "decoders": [spaces, {"type": "ByteFallback"}, {"type": "Fuse"}, strip]}
    return rng.choice([None, whole, one_decoder(rng)])


def post_processor(rng, vocab):
    names = sorted(vocab, key=vocab.get)[:2]
    kind = rng.choice([None, "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence"])
    if kind is None:
        return None
    pair = {"sep": [names[1], vocab[names[1]]], "cls": [names[0], vocab[names[0]]]}
    if kind == "BertProcessing":
        return {"type": kind, **pair}
    byte_level = {"type": "ByteLevel", "add_prefix_space": maybe(rng), "trim_offsets": maybe(rng), "use_regex": True}
    if kind == "ByteLevel":
        return byte_level
    if kind == "RobertaProcessing":
        return {"type": kind, **pair, "trim_offsets": maybe(rng), "add_prefix_space": maybe(rng)}
    single = [{"Sequence": {"id": "A", "type_id": 0}}]
    for _ in range(rng.randrange(3)):
        single.insert(rng.choice([0, len(single)]), {"SpecialToken": {"id": rng.choice(names), "type_id": 0}})
    template = {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {name: {"id": name, "ids": [vocab[name]], "tokens": [name]} for name in names}}
    return template if kind == "TemplateProcessing" else {"type": "Sequence", "processors": [byte_level, template]}


def bytes_alphabet():
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in visible]
    return [chr(b) for b in visible] + [chr(0x100 + i) for i in range(len(hidden))]


def make_vocab(rng, alphabet):
    vocab = {}
    for token in ["[UNK]", "<s>"] + rng.sample(alphabet, len(alphabet)):
        vocab.setdefault(token, len(vocab))
    return vocab


def bpe(rng, byte_level):
    alphabet = bytes_alphabet() if byte_level else [c for c in LETTERS if maybe(rng, 0.85)]
    prefix = None if byte_level or maybe(rng, 0.8) else "##"
    suffix = None if byte_level or maybe(rng, 0.8) else "</w>"
    tokens = list(alphabet)
    if prefix:
        tokens += [prefix + c for c in alphabet]
    if suffix:
        tokens += [c + suffix for c in tokens]
    byte_fallback = not byte_level and maybe(rng)
    if byte_fallback and maybe(rng, 0.8):
        tokens += [f"<0x{b:02X}>" for b in range(256)]
    vocab = make_vocab(rng, tokens)
    merges, seen = [], set()
    pool = [t for t in vocab if not t.startswith("<") and t != "[UNK]"]
    if byte_level:
        pool = [t for t in pool if t in "abcdeABE12ĠĊ.,!'ÃÌ©"] + ["Ã", "©", "Ġ"]
    for _ in range(rng.randrange(60)):
        left, right = rng.choice(pool), rng.choice(pool)
        if suffix and left.endswith(suffix) or prefix and not right.startswith(prefix):
            continue
        joined = left + (right[len(prefix):] if prefix and right.startswith(prefix) else right)
        if (left, right) in seen or len(joined) > 12:
            continue
        seen.add((left, right))
        vocab.setdefault(joined, len(vocab))
        merges.append([left, right])
        pool.append(joined)
    return {"type": "BPE", "dropout": None, "unk_token": None if maybe(rng, 0.3) else "[UNK]", "continuing_subword_prefix": prefix,
            "end_of_word_suffix": suffix, "fuse_unk": maybe(rng), "byte_fallback": byte_fallback, "ignore_merges": maybe(rng, 0.3),
            "vocab": vocab, "merges": merges}


def unigram(rng):
    tokens = ["[UNK]", "<s>"] + [c for c in LETTERS if maybe(rng, 0.85)]
    byte_fallback = maybe(rng)
    if byte_fallback and maybe(rng, 0.8):
        tokens += [f"<0x{b:02X}>" for b in range(256)]
    for _ in range(rng.randrange(60)):
        token = "".join(rng.choice(LETTERS) for _ in range(rng.randrange(2, 5)))
        if token not in tokens:
            tokens.append(token)
    rounded = maybe(rng)
    scores = [0.0 if i < 2 else -round(rng.random() * 10, 0 if rounded else 6) for i in range(len(tokens))]
    return {"type": "Unigram", "unk_id": 0, "vocab": [[t, s] for t, s in zip(tokens, scores)], "byte_fallback": byte_fallback}


def words(rng, kind):
    tokens = [c for c in LETTERS if maybe(rng, 0.8)]
    tokens += ["".join(rng.choice(LETTERS[:12]) for _ in range(rng.randrange(2, 5))) for _ in range(60)]
    if kind == "WordPiece":
        tokens += ["##" + t for t in tokens if maybe(rng, 0.8)]
    model = {"type": kind, "unk_token": "[UNK]", "vocab": make_vocab(rng, list(dict.fromkeys(tokens)))}
    if kind == "WordPiece":
        model.update(continuing_subword_prefix="##", max_input_chars_per_word=rng.choice([100, 100, 5]))
    return model


def added_tokens(rng, vocab, spells_bytes):
    added = []
    for name in sorted(vocab, key=vocab.get)[:2]:
        added.append({"id": vocab[name], "content": name, "single_word": False, "lstrip": maybe(rng, 0.2), "rstrip": maybe(rng, 0.2),
                      "normalized": False, "special": maybe(rng, 0.9)})
    size = max(vocab.values()) + 1
    for name in rng.sample(["<mask>", "ab c", "É", "yyy", "  ", "a", "中文", "1,"], rng.randrange(4)):
        if name in vocab or spells_bytes and name == "É":
            continue
        added.append({"id": size, "content": name, "single_word": maybe(rng, 0.3), "lstrip": maybe(rng, 0.3), "rstrip": maybe(rng, 0.3),
                      "normalized": maybe(rng), "special": maybe(rng, 0.4)})
        size += 1
    return added


def make(rng):
    kind = rng.choice(["BPE", "BPE", "ByteBPE", "ByteBPE", "Unigram", "WordPiece", "WordLevel"])
    pre_tokenizer = sequence(rng, one_pre_tokenizer, "pretokenizers")
    if kind == "ByteBPE":
        model = bpe(rng, True)
        last = {"type": "ByteLevel", "add_prefix_space": maybe(rng), "trim_offsets": True, "use_regex": maybe(rng)}
        if maybe(rng, 0.8):
            pre_tokenizer = last if pre_tokenizer is None else {"type": "Sequence", "pretokenizers": [pre_tokenizer, last]}
    elif kind == "BPE":
        model = bpe(rng, False)
    else:
        model = unigram(rng) if kind == "Unigram" else words(rng, kind)
    vocab = model["vocab"] if isinstance(model["vocab"], dict) else {entry[0]: i for i, entry in enumerate(model["vocab"])}
    normalizer = sequence(rng, one_normalizer, "normalizers")
    spells_bytes = "ByteLevel" in json.dumps(pre_tokenizer)
    added = added_tokens(rng, vocab, spells_bytes)
    rewriting = ['"Regex"', '"Strip"', '"content": ""'] + ['"content": "\\u00e9"'] * spells_bytes
    for token in added:
        token["normalized"] &= not any(part in json.dumps(normalizer) for part in rewriting)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor(rng, vocab),
            "decoder": decoder(rng, spells_bytes), "model": model}


def texts(rng, config):
    """Texts of the letters that such vocabularies have, with the names of added tokens in them."""
    names = [token["content"] for token in config["added_tokens"]]
    alphabet = LETTERS + ["a", "b", " ", " ", "\n", "\t", "x", "\u00a0", "\u3000", "É", "aa", "ab"]
    out = [""]
    for _ in range(150):
        out.append("".join(rng.choice(names) if maybe(rng, 0.1) else rng.choice(alphabet) for _ in range(rng.randrange(1, 30))))
    return out


def describe(config):
    model = {key: value for key, value in config["model"].items() if key not in ("vocab", "merges")}
    stages = {key: config[key] for key in ("normalizer", "pre_tokenizer", "decoder")}
    added = [[t["content"]] + [k for k in ("single_word", "lstrip", "rstrip", "normalized", "special") if t[k]] for t in config["added_tokens"]]
    return json.dumps({"model": model, **stages, "added": added}, ensure_ascii=False)
