"""Tiny random models of every family, their numbers turned every way that a config.json can turn them."""
import json
import os
import random
import zlib

os.environ["TQDM_DISABLE"] = "1"

import torch
import transformers

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

BASE = {"vocab_size": 320, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        "tie_word_embeddings": False, "rope_theta": 10000.0}

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 24}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}


def longrope(n, **more):
    return {"type": "longrope", "short_factor": [1.0 + 0.03 * i for i in range(n)], "long_factor": [1.0 + 0.6 * i for i in range(n)], **more}


FAMILIES = {
    "llama": [
        {},
        {"head_dim": 12, "attention_bias": True},
        {"mlp_bias": True, "tie_word_embeddings": True, "num_key_value_heads": 6},
        {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 20, "rms_norm_eps": 0.05, "rope_theta": 500.0},
        {"num_key_value_heads": None, "head_dim": None, "vocab_size": 333, "intermediate_size": 75},
        {"rope_scaling": {"type": "linear", "factor": 2.5}},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "attention_factor": 1.7}},
        {"rope_scaling": {"type": "dynamic", "factor": 3.0}, "max_position_embeddings": 20},
        {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 10}, "max_position_embeddings": 24},
        {"rope_scaling": YARN},
        {"rope_scaling": {**YARN, "factor": 8.0, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 0.8}},
        {"rope_scaling": {**YARN, "mscale": 0.707, "mscale_all_dim": 1.2}},
        {"rope_scaling": {**YARN, "mscale": 2.0}},
        {"rope_scaling": {**YARN, "truncate": False, "beta_fast": 3, "beta_slow": 0.5}, "rope_theta": 1e6},
        {"rope_scaling": {"type": "yarn", "factor": 3.0}},
        {"rope_scaling": {**YARN, "truncate": False}, "original_max_position_embeddings": 40, "head_dim": 32},
        {"rope_scaling": LLAMA3, "rope_theta": 500000.0},
        {"rope_scaling": {**LLAMA3, "factor": 3.3, "low_freq_factor": 0.7, "high_freq_factor": 9.0}, "head_dim": 32},
        {"rope_scaling": longrope(4, original_max_position_embeddings=24), "hidden_act": "silu"},
        {"rope_scaling": longrope(4, original_max_position_embeddings=24, factor=5.0)},
        {"rope_scaling": longrope(4, original_max_position_embeddings=24, attention_factor=1.3)},
        {"rope_scaling": {"rope_type": "default"}},
    ],
    "mistral": [
        {"sliding_window": 7},
        {"sliding_window": None, "head_dim": 16},
        {"sliding_window": 1},
        {"sliding_window": 5, "layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {"sliding_window": 9, "rope_scaling": {**YARN, "beta_fast": 4.0}},
    ],
    "qwen2": [
        {},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 3},
        {"use_sliding_window": True, "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        {"use_sliding_window": False, "sliding_window": 6, "max_window_layers": 0, "rope_scaling": YARN},
    ],
    "qwen3": [
        {"head_dim": 16},
        {"head_dim": 8, "attention_bias": True, "tie_word_embeddings": True},
        {"head_dim": 20, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2},
        {"head_dim": 8, "use_sliding_window": True, "sliding_window": 5, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
         "rope_scaling": {**YARN, "original_max_position_embeddings": 32}},
    ],
    "smollm3": [
        {"num_hidden_layers": 5},
        {"no_rope_layer_interval": 2, "attention_bias": True, "mlp_bias": True},
        {"no_rope_layers": [0, 1, 0], "rope_scaling": YARN},
        {"num_hidden_layers": 4, "use_sliding_window": True, "sliding_window": 6},
        {"use_sliding_window": True, "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        {"use_sliding_window": False, "sliding_window": 6, "no_rope_layer_interval": 3},
    ],
    "phi3": [
        {"original_max_position_embeddings": 64},
        {"original_max_position_embeddings": 64, "sliding_window": 6, "num_key_value_heads": 6},
        {"original_max_position_embeddings": 64, "partial_rotary_factor": 0.75, "num_attention_heads": 3, "num_key_value_heads": 1},
        {"original_max_position_embeddings": 20, "rope_scaling": longrope(4)},
        {"original_max_position_embeddings": 20, "rope_scaling": {**longrope(4), "type": "su", "original_max_position_embeddings": 20}},
        {"original_max_position_embeddings": 20, "rope_scaling": {**longrope(4), "type": "yarn"}},
        {"original_max_position_embeddings": 64, "rope_scaling": longrope(4)},
        {"original_max_position_embeddings": 20, "rope_scaling": longrope(3), "partial_rotary_factor": 0.75, "tie_word_embeddings": True},
        {"original_max_position_embeddings": 20, "rope_scaling": longrope(4, original_max_position_embeddings=10)},
        {"rope_scaling": longrope(4), "max_position_embeddings": 8192},
    ],
    "gemma2": [
        {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        {"head_dim": 16, "sliding_window": 6, "query_pre_attn_scalar": 24, "tie_word_embeddings": True},
        {"head_dim": 16, "sliding_window": 9, "query_pre_attn_scalar": 100, "attn_logit_softcapping": None, "final_logit_softcapping": None, "attention_bias": True},
        {"head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8, "layer_types": ["full_attention", "sliding_attention", "sliding_attention"]},
    ],
    "gemma3_text": [
        {"head_dim": 16, "sliding_window": 6, "query_pre_attn_scalar": 16, "num_hidden_layers": 7, "rope_theta": 1e6, "tie_word_embeddings": True},
        {"head_dim": 16, "sliding_window": 6, "query_pre_attn_scalar": 48, "sliding_window_pattern": 2, "rope_local_base_freq": 500.0},
        {"head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8, "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_theta": 1e6,
         "layer_types": ["sliding_attention", "full_attention", "full_attention"]},
        {"head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0, "attention_bias": True},
        {"head_dim": 8, "sliding_window": 5, "sliding_window_pattern": 3, "rope_scaling": YARN, "rope_theta": None},
    ],
    "olmo2": [
        {},
        {"attention_bias": True, "num_key_value_heads": 6, "rms_norm_eps": 1e-6},
        {"head_dim": 16, "rope_scaling": YARN},
    ],
    "granite": [
        {},
        {"embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22, "attention_multiplier": 0.0078125},
        {"attention_bias": True, "mlp_bias": True, "attention_multiplier": 0.5, "tie_word_embeddings": True, "rope_scaling": LLAMA3},
    ],
    "exaone4": [
        {"num_hidden_layers": 5, "sliding_window": 6},
        {"sliding_window": 6, "sliding_window_pattern": 2, "rope_scaling": LLAMA3, "tie_word_embeddings": True},
        {"sliding_window": 5, "head_dim": 16, "layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {"sliding_window": None, "sliding_window_pattern": None, "layer_types": ["full_attention"] * 3},
    ],
}


def cases():
    """(name, config.json in the form of transformers 4) of every model."""
    for family, variants in FAMILIES.items():
        for i, variant in enumerate(variants):
            config = {"model_type": family, **BASE, **variant}
            if config["rope_theta"] is None:
                del config["rope_theta"]
            yield f"{family}-{i}", config


def build(name, config):
    """The model with weights of a size that lets every part have an effect."""
    torch.manual_seed(zlib.crc32(name.encode()))
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**json.loads(json.dumps(config))),
                                                          attn_implementation="eager", dtype=torch.float32).eval()
    gemma = config["model_type"].startswith("gemma")
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("norm.weight") or "layernorm" in parameter_name:
                parameter.normal_(0.0 if gemma else 1.0, 0.3)
            elif parameter.ndim == 1:
                parameter.normal_(0, 0.3)
            else:
                parameter.normal_(0, 1.2 / parameter.shape[-1] ** 0.5)
    model.config.architectures = [type(model).__name__]
    return model


def rows(name, vocab_size):
    """A text that outgrows every window and original context above, and a short one."""
    generator = random.Random(name)
    return [[generator.randrange(3, vocab_size) for _ in range(n)] for n in (56, 11)]


def depends_on_length(config):
    """With a cache, engines differ where the rotation depends on the length."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    return kind in ("dynamic", "longrope", "su") or (kind == "yarn" and config["model_type"] == "phi3")


def logits(model, row):
    with torch.no_grad():
        return model(torch.tensor([row])).logits[0].float().numpy()
