#!/usr/bin/env python3
"""Writes the weights and the tokenizer of a llama's GGUF as a Hugging Face folder in float32, which transformers and peft can load.

    as_folder.py FILE.gguf FOLDER
"""
import pathlib, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

file, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
source = {"gguf_file": file.name}
loaded = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
# What was loaded calls itself quantised, which a folder in float32 must not say.
settings = {name: value for name, value in loaded.config.to_dict().items() if name not in ("quantization_config", "architectures")}
plain = LlamaForCausalLM(LlamaConfig(**settings))
plain.load_state_dict(loaded.state_dict())
plain.save_pretrained(folder)
AutoTokenizer.from_pretrained(file.parent, **source).save_pretrained(folder)
