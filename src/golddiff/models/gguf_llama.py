"""A Llama-family GGUF file → a model folder in Hugging Face layout (float32 safetensors). No torch.

transformers can load a GGUF dequantised, but then refuses to save it, and needs one more library to do so. The file
says everything that is needed, so we rebuild configuration, weights and tokenizer from it directly.

Two things differ between the layouts: names, and the rows of the query and key projections, which llama.cpp stores
interleaved for its rotary embedding (`permute` in its convert_hf_to_gguf.py; undone here).

Not covered: other architectures, sharded files, tokenizers that are not byte-level BPE of the `smollm` kind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golddiff.errors import ModelError
from golddiff.models.folder import WEIGHTS, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL


def rebuild(source: Path, folder: Path) -> None:
    """Write `config.json`, `model.safetensors`, `tokenizer.json` and `tokenizer_config.json` into `folder`.

    Raises:
        ModelError: the file is no GGUF, or of an architecture or tokenizer that is not covered.
    """
    try:
        from gguf import GGUFReader
        from safetensors.numpy import save
    except ModuleNotFoundError as missing:
        raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[train]'") from missing
    try:
        reader = GGUFReader(source)
        fields: dict[str, Any] = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, OSError, KeyError, IndexError) as error:
        raise ModelError(f"{source} is not a readable GGUF file: {error}. Fetch it again.") from error
    if fields.get("general.architecture") != "llama" or fields.get("tokenizer.ggml.pre") != "smollm":
        found = f"{fields.get('general.architecture')} with a {fields.get('tokenizer.ggml.pre')} tokenizer"
        raise ModelError(f"{source} is {found}; only llama with a smollm tokenizer can be rebuilt.")
    weights = _weights(reader, fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"])
    config = _config(fields, tied="lm_head.weight" not in weights)
    write_atomically(folder / WEIGHTS, save(weights, metadata={"format": "pt"}))
    write_atomically(folder / "tokenizer.json", _tokenizer(fields).encode())
    write_atomically(folder / "tokenizer_config.json", json.dumps(_tokenizer_config(fields), indent=2).encode())
    write_atomically(folder / "config.json", json.dumps(config, indent=2).encode())


def _weights(reader: Any, heads: int, kv_heads: int) -> dict[str, NDArray[np.float32]]:
    import numpy as np
    from gguf import dequantize

    weights: dict[str, NDArray[np.float32]] = {}
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False).reshape(shape)
        if tensor.name in _TOP_NAMES:
            name = _TOP_NAMES[tensor.name]
        else:
            _, layer, part, _ = tensor.name.split(".")
            name = f"model.layers.{layer}.{_BLOCK_NAMES[part]}.weight"
            if part in ("attn_q", "attn_k"):
                values = _deinterleave(values, heads if part == "attn_q" else kv_heads)
        weights[name] = np.ascontiguousarray(values)
    return weights


def _deinterleave(values_OI: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo llama.cpp's permutation: rows (head, half, 2) → (head, 2, half). O outputs, I inputs."""
    outputs, inputs = values_OI.shape
    return values_OI.reshape(heads, outputs // heads // 2, 2, inputs).swapaxes(1, 2).reshape(outputs, inputs)


def _config(fields: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    heads = fields["llama.attention.head_count"]
    width = fields["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": width,
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": width // heads,
        "hidden_act": "silu",
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": round(fields["llama.attention.layer_norm_rms_epsilon"], 12),
        "rope_theta": float(fields["llama.rope.freq_base"]),
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
        "dtype": "float32",
    }


def _tokenizer(fields: dict[str, Any]) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [(left, right) for left, _, right in (merge.partition(" ") for merge in fields["tokenizer.ggml.merges"])]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    # llama.cpp's `smollm` pre-tokenizer: single digits, then GPT-2's pattern.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return str(tokenizer.to_str())


def _tokenizer_config(fields: dict[str, Any]) -> dict[str, Any]:
    tokens = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[fields["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
        "chat_template": fields["tokenizer.chat_template"],
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
    }
