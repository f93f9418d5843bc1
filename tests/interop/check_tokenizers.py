"""Holds Owlet's tokenizers against Hugging Face's: ids and texts of ten megabytes of mixed text through every tokenizer.json of
a folder, small random tokenizers of every kind and option, and what `owlet tokenizer train` writes.

    python tests/interop/check_tokenizers.py --owlet PATH --golden DIR [--data DIR] [--work DIR]

Prints "ok" or "FAIL" for each and ends with "N passed, N failed". Needs the packages tokenizers and zstandard."""

import argparse
import glob
import io
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import unicodedata

import tokenizers
import zstandard

import random_tokenizers

failed = passed = 0


def report(good, name, detail=""):
    global passed, failed
    passed += good
    failed += not good
    print("ok  " if good else "FAIL", name, detail, flush=True)


# ---- texts

def read_zst(path):
    with open(path, "rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().decode("utf-8")


def json_lines(path, limit):
    with open(path, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8")
        taken = 0
        for line in lines:
            value = json.loads(line)
            texts = [value["text"]] if "text" in value else [m["content"] for m in value.get("messages", [])]
            for text in texts:
                taken += len(text)
                yield text
            if taken > limit:
                return


def source_code(limit):
    taken = 0
    for path in sorted(glob.glob(os.path.join(sysconfig.get_paths()["stdlib"], "*.py"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        yield text[:60000]
        taken += min(len(text), 60000)
        if taken > limit:
            return


def every_character():
    """Each code point of the first two planes, of what is assigned in the third and fourth, and of tags and selectors, among letters,
    digits and spaces, where splitters, normalizers and word breaks all meet it."""
    spans = [(1, 0xD800), (0xE000, 0x20000), (0x2A6D0, 0x2A760), (0x2B730, 0x2B830), (0x2CE90, 0x2CEC0), (0x2EBD0, 0x2EE60),
             (0x2F800, 0x2FA30), (0x31340, 0x33480), (0xE0000, 0xE0200)]
    line = []
    for first, end in spans:
        for c in map(chr, range(first, end)):
            line.append(f"a{c}b {c}{c}1{c} {c}")
            if len(line) == 40:
                yield "".join(line)
                line = []
    yield "".join(line)


def many_scripts(rng, n):
    """Words of neighbours in the code charts with accents put on and spaces of every kind between."""
    known = [c for c in range(0x20, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    marks = [c for c in known if unicodedata.category(chr(c))[0] == "M"]
    spaces = " " * 12 + "\n\t\r\u00a0\u2003\u3000\u2028\u200b\u200d\u0085"
    for _ in range(n):
        words = []
        for _ in range(rng.randrange(1, 40)):
            at = rng.randrange(len(known))
            word = "".join(chr(known[min(at + rng.randrange(30), len(known) - 1)]) for _ in range(rng.randrange(1, 9)))
            if rng.random() < 0.3:
                word += "".join(chr(rng.choice(marks)) for _ in range(rng.randrange(1, 4)))
            words.append(word + rng.choice(spaces) * rng.randrange(0, 3))
        yield "".join(words)


def emoji(rng, n):
    faces = [chr(c) for c in range(0x1F300, 0x1FAF9)] + list("☀☎♥✈❤⌚©®‼0123456789#*👩🏽👨🏿🏳🏴")
    parts = ["\u200d", "\ufe0f", "\u20e3", "\U0001f3fb", "\U0001f3ff", "\u2640", "\U0001f1e9", "\U0001f1ea", "\U000e0067", "\U000e007f", " "]
    for _ in range(n):
        yield "".join(rng.choice(faces) if rng.random() < 0.6 else rng.choice(parts) for _ in range(rng.randrange(1, 60)))


def ascii_noise(rng, n):
    alphabets = [" \n\r\t", "'sStTrReEvVmMlLdD nN", "0123456789 .,", "!-/:-@[]{}<>|&^%$#~`'\" a", "aA bB cC1 _\n"]
    for _ in range(n):
        alphabet = rng.choice(alphabets)
        yield "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 80)))


def broken(rng, texts, n):
    """Bytes that were UTF-8 before, and some that never were, as Python shows them."""
    for i in range(n):
        if i % 4 == 0:
            data = bytearray(rng.randbytes(rng.randrange(1, 120)))
        else:
            text = texts[rng.randrange(len(texts))]
            at = rng.randrange(max(1, len(text) - 200))
            data = bytearray(text[at:at + 200].encode("utf-8"))
            for _ in range(rng.randrange(1, 6)):
                if data:
                    data[rng.randrange(len(data))] = rng.randrange(256)
        yield data.decode("utf-8", errors="replace")


def mixed_texts(golden, data):
    rng = random.Random(20)
    texts = json.loads(read_zst(os.path.join(golden, "mixed.json.zst")))
    foreign = [text for text in texts if text]
    if data:
        for name, limit in (("pretrain/simplewiki.valid.jsonl.zst", 1_000_000), ("chat/dolly15k.jsonl.zst", 500_000),
                            ("pretrain/stories.jsonl.zst", 500_000)):
            path = os.path.join(data, name)
            if os.path.exists(path):
                texts += json_lines(path, limit)
    texts += source_code(2_000_000)
    texts += every_character()
    texts += many_scripts(rng, 4000)
    texts += emoji(rng, 4000)
    texts += ascii_noise(rng, 8000)
    texts += broken(rng, foreign, 8000)
    size = sum(len(text.encode("utf-8")) for text in texts)
    while size < 10_500_000:
        text = " ".join(rng.choice(foreign) for _ in range(20))
        texts.append(text)
        size += len(text.encode("utf-8"))
    return texts


# ---- what Owlet says

def write_lines(path, values):
    with open(path, "w", encoding="utf-8") as file:
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")


def owlet_lines(owlet, verb, model, path, *flags):
    done = subprocess.run([owlet, "tokenizer", verb, "-m", model, "--lines", path, *flags], capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode("utf-8", errors="replace").strip())
    return [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]


def compare(name, theirs, ours, texts):
    wrong = [i for i in range(len(texts)) if i >= len(ours) or theirs[i] != ours[i]]
    if not wrong and len(ours) == len(theirs):
        report(True, name, f"{len(texts)} lines")
        return
    lines = []
    for i in wrong[:2]:
        mine = ours[i] if i < len(ours) else []
        at = next((k for k, (a, b) in enumerate(zip(theirs[i], mine)) if a != b), min(len(theirs[i]), len(mine)))
        lines.append(f"\n     line {i} from {at}: theirs {theirs[i][at:at + 8]!r}, ours {mine[at:at + 8]!r}, of {texts[i][:120]!r}")
    report(False, name, f"{len(wrong)} of {len(texts)} lines differ" + "".join(lines))


def check_files(owlet, golden, texts, work):
    """Every tokenizer.json of the folder on all texts, and their ids decoded again."""
    lines = os.path.join(work, "texts.jsonl")
    write_lines(lines, texts)
    for path in sorted(glob.glob(os.path.join(golden, "*", "tokenizer.json"))):
        folder, name = os.path.dirname(path), os.path.basename(os.path.dirname(path))
        reference = tokenizers.Tokenizer.from_file(path)
        reference.no_truncation()
        reference.no_padding()
        try:
            theirs = [encoding.ids for encoding in reference.encode_batch(texts)]
            compare(f"{name}: ids", theirs, owlet_lines(owlet, "encode", folder, lines, "--control"), texts)
            ids = os.path.join(work, "ids.jsonl")
            write_lines(ids, theirs)
            compare(f"{name}: texts", reference.decode_batch(theirs, skip_special_tokens=False), owlet_lines(owlet, "decode", folder, ids), texts)
        except RuntimeError as error:
            report(False, name, str(error))


def or_none(call):
    """What the reference gives; None where it refuses or panics."""
    try:
        return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return None


def check_random(owlet, texts, work, n):
    """Small tokenizers with random stages and options; what the reference refuses is left out."""
    rng = random.Random(4)
    lines, folder = os.path.join(work, "some.jsonl"), os.path.join(work, "random")
    os.makedirs(folder, exist_ok=True)
    for i in range(n):
        config = random_tokenizers.make(rng)
        some = rng.sample(texts, 150) + random_tokenizers.texts(rng, config)
        write_lines(lines, some)
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump(config, file, ensure_ascii=False)
        kind = random_tokenizers.describe(config)
        reference = or_none(lambda: tokenizers.Tokenizer.from_str(json.dumps(config)))
        theirs = reference and or_none(lambda: [encoding.ids for encoding in reference.encode_batch(some)])
        if theirs is None:
            continue
        try:
            before = failed
            compare(f"random {i}: ids", theirs, owlet_lines(owlet, "encode", folder, lines, "--control"), some)
            decoded = [or_none(lambda: reference.decode(line, skip_special_tokens=False)) for line in theirs]
            kept = [k for k in range(len(some)) if decoded[k] is not None]
            ids = os.path.join(work, "ids.jsonl")
            write_lines(ids, [theirs[k] for k in kept])
            compare(f"random {i}: texts", [decoded[k] for k in kept], owlet_lines(owlet, "decode", folder, ids), [some[k] for k in kept])
            if failed > before:
                print("    ", kind)
        except RuntimeError as error:
            report(False, f"random {i}", f"{error} {kind}")


def check_trained(owlet, texts, work):
    """What we train loads there and gives the same ids."""
    corpus, folder = os.path.join(work, "corpus.jsonl"), os.path.join(work, "trained")
    write_lines(corpus, [{"text": text} for text in texts[:3000]])
    subprocess.run([owlet, "tokenizer", "train", corpus, "-o", folder, "--vocab-size", "2000"], check=True, capture_output=True)
    reference = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    lines = os.path.join(work, "texts.jsonl")
    theirs = [encoding.ids for encoding in reference.encode_batch(texts)]
    compare("trained by us", theirs, owlet_lines(owlet, "encode", folder, lines, "--control"), texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owlet", required=True)
    parser.add_argument("--golden", required=True, help="a folder with tokenizers/NAME/tokenizer.json and tokenizers/mixed.json.zst")
    parser.add_argument("--data", help="a folder with pretrain/ and chat/, for more text")
    parser.add_argument("--work", help="for files on the way; default: a temporary folder")
    parser.add_argument("--random", type=int, default=400, help="how many random tokenizers")
    parser.add_argument("--only", choices=["files", "random", "trained"])
    options = parser.parse_args()
    golden = os.path.join(options.golden, "tokenizers")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or temporary
        os.makedirs(work, exist_ok=True)
        texts = mixed_texts(golden, options.data)
        print(f"{len(texts)} texts, {sum(len(text.encode('utf-8')) for text in texts) / 1e6:.1f} MB")
        write_lines(os.path.join(work, "texts.jsonl"), texts)
        if options.only in (None, "files"):
            check_files(options.owlet, golden, texts, work)
        if options.only in (None, "random"):
            check_random(options.owlet, [text for text in texts if len(text) < 2000], work, options.random)
        if options.only in (None, "trained"):
            check_trained(options.owlet, texts, work)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
