"""GGUF files that Owlet writes, as the Python package `gguf` reads them: metadata, names, shapes, and the numbers of every type."""
import common
import gguf
import numpy as np
import random_models
from check_transformers import with_tokenizer

KEYS = ("context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
        "attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.freq_base")
MORE_KEYS = {"gemma2": ("attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping", "attention.key_length"),
             "gemma3": ("attention.sliding_window", "attention.key_length"),
             "granite": ("embedding_scale", "residual_scale", "logit_scale", "attention.scale")}


def check_names(report, name, reader):
    """Keys that llama.cpp asks for, and tensors that it knows in this architecture."""
    architecture = reader.fields["general.architecture"].contents()
    wanted = [f"{architecture}.{key}" for key in KEYS + MORE_KEYS.get(architecture, ())]
    wanted += ["tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type",
               "tokenizer.ggml.eos_token_id", "general.name", "general.file_type", "general.quantization_version"]
    missing = [key for key in wanted if key not in reader.fields]
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    blocks = reader.fields[f"{architecture}.block_count"].contents()
    known = {gguf.TENSOR_NAMES[tensor].format(bid=block) for tensor in gguf.MODEL_TENSORS[arch] for block in range(blocks)}
    unknown = [tensor.name for tensor in reader.tensors if tensor.name.rsplit(".", 1)[0] not in known]
    tokens, rows = len(reader.fields["tokenizer.ggml.tokens"].contents()), next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]
    report.check(not missing and not unknown and tokens == rows, f"{name}: names",
                 f"{len(reader.fields)} keys, {len(reader.tensors)} tensors, {tokens} tokens; missing {missing}, unknown {unknown}, rows of the table {rows}")


def check_type(owlet, report, name, source, kind, exact):
    file, plain = owlet.work / f"{name}-{kind}.gguf", owlet.work / f"{name}-{kind}-f32.gguf"
    try:
        owlet.run("quantize", source, file, "--type", kind)
    except RuntimeError as error:
        if "needs a multiple" in str(error):
            return report.skip(f"{name} as {kind}", str(error).splitlines()[0])
        raise
    owlet.run("convert", file, plain, "--type", "f32")
    reader = gguf.GGUFReader(file)
    ours = {tensor.name: tensor for tensor in gguf.GGUFReader(plain).tensors}
    worst, noise, types = 0.0, 0.0, set()
    for tensor in reader.tensors:
        theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        decoded = ours[tensor.name].data
        assert theirs.shape == decoded.shape, f"{tensor.name}: {theirs.shape}, {decoded.shape}"
        worst = max(worst, float(np.abs(theirs - decoded).max() / np.abs(theirs).max()))
        noise = max(noise, float(np.linalg.norm(theirs - exact[tensor.name]) / np.linalg.norm(exact[tensor.name])))
        types.add(tensor.tensor_type.name)
    report.check(worst <= 1e-6, f"{name} as {kind}", f"decoded {worst:.1e} of Owlet's; {', '.join(sorted(types))}; at most {noise:.1e} from the model")
    check_names(report, f"{name} as {kind}", reader)


def wide_model(owlet):
    """With rows that blocks of 256 divide, as those of large models."""
    source, file = owlet.work / "source" / "wide", owlet.work / "wide.gguf"
    random_models.build("wide", {**random_models.BASE, "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
                                 "num_attention_heads": 8}).save_pretrained(source)
    owlet.run("convert", with_tokenizer(owlet, source), file, "--type", "f32")
    return file


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    for name, model in (("bundled", common.bundled_model()), ("wide", wide_model(owlet))):
        exact = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(model).tensors}
        for kind in common.written_types(owlet):
            report.attempt(kind, check_type, owlet, report, name, model, kind, exact)
    for source in sorted(arguments.golden.glob("hf/*/")):
        if source.name == "llama-dynamic":
            continue  # GGUF has no name for it
        file = owlet.work / f"{source.name}.gguf"
        owlet.run("convert", with_tokenizer(owlet, source), file)
        report.attempt(source.name, lambda: check_names(report, source.name, gguf.GGUFReader(file)))
    report.finish()


if __name__ == "__main__":
    main()
