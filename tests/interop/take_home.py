#!/usr/bin/env python3
"""Whether an adapter that is taken home computes the same everywhere. Needs torch, transformers, peft, gguf and llama-cpp-python; run on demand:

    take_home.py --bin target/debug [--dtype float32] [ARCHITECTURE …]

For each architecture it makes a small random model and a random adapter of all seven linears with peft, rsLoRA and a pattern of ranks among them, and
compares the logits behind the last of a few sequences of ids, all on the CPU:
1. peft's base and adapter with the folder that `worker-train merge` writes (in several files, with an index), in transformers,
2. the same with llama.cpp on a float32 GGUF of the base (written here) and the file that `worker-train gguf-lora` writes,
3. as a check of the check, llama.cpp's base alone with transformers' base alone.
Prints one JSON line for each and ends with 1 where a difference is above the bound: 1e-4 for 1 in float32 (in bfloat16 the rounding of the merged
weights is bounded by what merging in transformers gives), 1e-4 for llama.cpp in
float32, 5e-3 for gemma3, whose GELU it takes from a table in float16.
"""
import argparse, json, pathlib, shutil, subprocess, sys, tempfile

import gguf
import llama_cpp
import numpy
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()

HERE = pathlib.Path(__file__).parent
TOKENIZER = HERE.parent / "fixtures" / "tiny-coder"
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Hugging Face's and llama.cpp's name, and how many layers: of gemma's every sixth sees everything.
ARCHITECTURES = {"llama": ("llama", 2), "mistral": ("llama", 2), "qwen2": ("qwen2", 2), "qwen3": ("qwen3", 2), "gemma3_text": ("gemma3", 7)}
NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
GEMMA_NAMES = {**NAMES, "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}


def make_model(name, layers, folder, dtype):
    sizes = dict(vocab_size=512, hidden_size=64, intermediate_size=160, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
                 head_dim=16, max_position_embeddings=512, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=name != "llama")
    if name == "gemma3_text":
        sizes |= dict(query_pre_attn_scalar=16, sliding_window=256)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # As they come they are too small for an adapter to show, and norms are all alike.
            parameter.copy_(torch.randn_like(parameter) * (0.12 if parameter.dim() > 1 else 0.2) + (0 if parameter.dim() > 1 or name == "gemma3_text" else 1))
    model.to(dtype).save_pretrained(folder)
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]:
        shutil.copy(TOKENIZER / file, folder)


def make_adapter(base, folder):
    config = LoraConfig(r=4, lora_alpha=12, use_rslora=True, rank_pattern={"layers.1.self_attn.q_proj": 6}, task_type="CAUSAL_LM", target_modules=LINEARS)
    peft = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.05)
    peft.save_pretrained(folder)


def permuted(weight, heads):
    """llama.cpp pairs the halves of a head's rotation row by row."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def write_gguf(folder, name, architecture, path):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = model.config
    out = gguf.GGUFWriter(str(path), architecture)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_key_length(config.head_dim)
    out.add_value_length(config.head_dim)
    out.add_rope_dimension_count(config.head_dim)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    out.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    if architecture == "gemma3":
        out.add_sliding_window(config.sliding_window)
    out.add_vocab_size(config.vocab_size)
    # Ids are asked for, no text.
    out.add_tokenizer_model("no_vocab")
    names = GEMMA_NAMES if architecture == "gemma3" else NAMES
    for key, tensor in model.state_dict().items():
        weight = tensor.numpy()
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
        if key in whole:
            stored = whole[key]
        else:
            _, _, layer, rest = key.split(".", 3)
            part, suffix = rest.rsplit(".", 1)
            stored = f"blk.{layer}.{names[part]}.{suffix}"
            if architecture == "llama" and part.endswith(("q_proj", "k_proj")):
                weight = permuted(weight, config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads)
        if architecture == "gemma3" and stored.endswith("norm.weight"):
            weight = weight + 1
        out.add_tensor(stored, numpy.ascontiguousarray(weight, dtype=numpy.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def torch_logits(model, sequences):
    with torch.no_grad():
        return [model.float().eval()(input_ids=torch.tensor([ids])).logits[0, -1].numpy() for ids in sequences]


def llama_logits(base, lora, sequences):
    llama = llama_cpp.Llama(model_path=str(base), lora_path=lora and str(lora), n_ctx=512, logits_all=True, verbose=False, n_threads=2,
                            type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
    found = []
    for ids in sequences:
        llama.reset()
        llama.eval(ids)
        found.append(llama.scores[len(ids) - 1].copy())
    return found


def distance(ours, theirs):
    return float(max(numpy.abs(a - b).max() for a, b in zip(ours, theirs)))


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr}")
    return json.loads(done.stdout)


def compare(name, options, folder):
    architecture, layers = ARCHITECTURES[name]
    base, adapter, merged, dtype = folder / "base", folder / "adapter", folder / "merged", getattr(torch, options.dtype)
    make_model(name, layers, base, dtype)
    make_adapter(base, adapter)
    said = run([options.bin / "worker-train", "merge", "--model", base, "--adapter", adapter, "--out", merged, "--max-file-bytes", 150_000])
    run([options.bin / "worker-train", "gguf-lora", "--model", base, "--adapter", adapter, "--out", folder / "lora.gguf"])
    write_gguf(base, name, architecture, folder / "base.gguf")
    sequences = [[(7 * at + seed * 31) % 500 + 4 for at in range(length)] for seed, length in [(1, 5), (2, 23), (3, 60)]]
    plain = torch_logits(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), sequences)
    with_adapter = torch_logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter), sequences)
    ours = torch_logits(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32), sequences)
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=dtype), adapter).merge_and_unload()
    rounded = distance(torch_logits(theirs, sequences), with_adapter)
    found = {
        "architecture": name, "dtype": options.dtype, "files": len(said["files"]), "lost_in_rounding": said["lost_in_rounding"],
        "what_the_adapter_changes": distance(plain, with_adapter),
        "merged_by_worker_train": distance(ours, with_adapter), "merged_by_peft": rounded,
        "llama_cpp_base": distance(llama_logits(folder / "base.gguf", None, sequences), plain),
        "llama_cpp_lora": distance(llama_logits(folder / "base.gguf", folder / "lora.gguf", sequences), with_adapter),
    }
    print(json.dumps(found), flush=True)
    bound = 1e-4 if dtype == torch.float32 else 1.5 * rounded
    llama_bound = 5e-3 if architecture == "gemma3" else 1e-4
    return found["merged_by_worker_train"] < bound and max(found["llama_cpp_base"], found["llama_cpp_lora"]) < llama_bound


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bin", type=pathlib.Path, required=True)
    a.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    a.add_argument("architectures", nargs="*", default=list(ARCHITECTURES))
    options = a.parse_args()
    good = True
    for name in options.architectures:
        with tempfile.TemporaryDirectory() as folder:
            good &= compare(name, options, pathlib.Path(folder))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
