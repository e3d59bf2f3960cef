"""A random Qwen2 and random LoRA adapters for it, as files, by the standard library alone.

What speed and rounding depend on is a model's shape, not what it knows. Every number is drawn with a sign, a mantissa and an
exponent of its own choice, straight as bytes, so that a model of 3 GB takes seconds.
"""

import json
import pathlib
import random
import shutil
from dataclasses import dataclass

CHUNK = 64 << 20


@dataclass(frozen=True)
class Shape:
    vocab: int
    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    head_width: int

    def linears(self):
        """Name, outputs and inputs of each product of a layer."""
        q, kv = self.heads * self.head_width, self.key_heads * self.head_width
        return [("self_attn.q_proj", q, self.hidden), ("self_attn.k_proj", kv, self.hidden), ("self_attn.v_proj", kv, self.hidden),
                ("self_attn.o_proj", self.hidden, q), ("mlp.gate_proj", self.inner, self.hidden), ("mlp.up_proj", self.inner, self.hidden),
                ("mlp.down_proj", self.hidden, self.inner)]


SHAPES = {
    # That of Qwen2.5-Coder-1.5B.
    "1.5b": Shape(151936, 1536, 8960, 28, 12, 2, 128),
    "tiny": Shape(1024, 128, 256, 3, 4, 2, 32),
}


class Tensors:
    """A safetensors file in bfloat16, or in float32 with the same values; its contents follow from `seed`."""

    def __init__(self, seed, kind):
        self.random, self.kind, self.parts = random.Random(seed), kind, []

    def add(self, name, shape, draw):
        self.parts.append((name, shape, draw))

    def write(self, path):
        header, start, width = {"__metadata__": {"format": "pt"}}, 0, 2 if self.kind == "BF16" else 4
        for name, shape, _ in self.parts:
            end = start + width * size(shape)
            header[name] = {"dtype": self.kind, "shape": shape, "data_offsets": [start, end]}
            start = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for _, shape, draw in self.parts:
                for first in range(0, size(shape), CHUNK):
                    file.write(self.widened(draw(self.random, min(CHUNK, size(shape) - first))))

    def widened(self, brain):
        if self.kind == "BF16":
            return brain
        wide = bytearray(2 * len(brain))
        wide[2::4], wide[3::4] = brain[0::2], brain[1::2]
        return wide


def size(shape):
    product = 1
    for n in shape:
        product *= n
    return product


# A bfloat16 is, from its highest bit: a sign, eight bits of exponent, seven of mantissa; the lower byte comes first in a file.
def spread(exponent):
    """Draws numbers of either sign between 2^exponent and twice that."""
    biased = exponent + 127
    low = bytes((biased & 1) << 7 | byte & 0x7F for byte in range(256))
    high = bytes(byte & 0x80 | biased >> 1 for byte in range(256))

    def draw(source, count):
        numbers = bytearray(source.randbytes(2 * count))
        numbers[0::2], numbers[1::2] = numbers[0::2].translate(low), numbers[1::2].translate(high)
        return numbers

    return draw


def near_one(source, count):
    """Draws numbers from 1 to 1.24."""
    numbers = bytearray(source.randbytes(2 * count))
    numbers[0::2] = numbers[0::2].translate(bytes(0x80 | byte & 0x1F for byte in range(256)))
    numbers[1::2] = b"\x3f" * count
    return numbers


def zeros(_, count):
    return bytes(2 * count)


def write_model(folder, shape, tokenizer):
    """A model of this shape with the tokenizer's files of another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]:
        shutil.copy(tokenizer / name, folder / name)
    config = dict(model_type="qwen2", architectures=["Qwen2ForCausalLM"], dtype="bfloat16", vocab_size=shape.vocab, hidden_size=shape.hidden,
                  intermediate_size=shape.inner, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
                  num_key_value_heads=shape.key_heads, max_position_embeddings=4096, rms_norm_eps=1e-6, rope_theta=1e6,
                  tie_word_embeddings=True, hidden_act="silu", eos_token_id=2, bos_token_id=1)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = Tensors(0, "BF16")
    # Between 0.031 and 0.062: about what training starts from, so that activations stay of one size through the layers.
    weight, small = spread(-5), spread(-6)
    tensors.add("model.embed_tokens.weight", [shape.vocab, shape.hidden], weight)
    tensors.add("model.norm.weight", [shape.hidden], near_one)
    for layer in range(shape.layers):
        name = f"model.layers.{layer}."
        for norm in ["input_layernorm", "post_attention_layernorm"]:
            tensors.add(f"{name}{norm}.weight", [shape.hidden], near_one)
        for module, out, inputs in shape.linears():
            tensors.add(f"{name}{module}.weight", [out, inputs], small if inputs > 4096 else weight)
            if module in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
                tensors.add(f"{name}{module}.bias", [out], spread(-3))
    tensors.write(folder / "model.safetensors")


def write_adapter(folder, shape, seed, trained):
    """A LoRA adapter of rank 16 on all products; one that is not `trained` changes nothing yet."""
    folder.mkdir(parents=True, exist_ok=True)
    config = dict(peft_type="LORA", task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.0, bias="none", base_model_name_or_path=None,
                  target_modules=[module.split(".")[1] for module, _, _ in shape.linears()])
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensors = Tensors(seed, "F32")
    for layer in range(shape.layers):
        for module, out, inputs in shape.linears():
            name = f"base_model.model.model.layers.{layer}.{module}"
            tensors.add(f"{name}.lora_A.weight", [16, inputs], spread(-6))
            tensors.add(f"{name}.lora_B.weight", [out, 16], spread(-7) if trained else zeros)
    tensors.write(folder / "adapter_model.safetensors")


def write_all(work, shape, tokenizer):
    """`model`, `adapter` and the adapter to train from, `fresh`; the bytes of the model's weights."""
    work = pathlib.Path(work)
    write_model(work / "model", shape, tokenizer)
    write_adapter(work / "adapter", shape, 1, trained=True)
    write_adapter(work / "fresh", shape, 2, trained=False)
    return (work / "model/model.safetensors").stat().st_size
