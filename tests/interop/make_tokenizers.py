#!/usr/bin/env python3
"""Writes crates/model/tests/fixtures/tokenizers: a corpus with transformers' ids, and a small tokenizer in Qwen2.5-Coder's layout.

    make_tokenizers.py SMOLLM2_DIR OUT_DIR      (needs transformers; SMOLLM2_DIR is SmolLM2-135M-Instruct in the Hugging Face layout)
"""
import json, pathlib, sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

out = pathlib.Path(sys.argv[2])
CORPUS = [
    "", " ", "\n", "\t\tx", "hello world", "  leading and trailing  ", "a\n\n\nb", "\r\nwindows\r\n", "tabs\tand  spaces   here",
    "def f(x: int) -> int:\n    return x * 2  # twice\n", "for i in range(10):\n\tprint(i, end='')\n", "x = {'a': [1, 2, 3], \"b\": (4,)}\n",
    "class A:\n    def __init__(self, n=0):\n        self.n = n\n\n    @property\n    def m(self):\n        return self.n ** 2\n",
    "lambda *a, **k: a[::-1] or k.get('x') != 3.14e-10 and ~7 << 2", "assert f(1_000_000) == 0xDEAD_beef, f\"{f(1)!r:>10}\"",
    "0 00 007 12345678901234567890 3.14159 1e9 -5 +5 0b1010", "2024-01-31T23:59:59Z 10.0.0.1 v1.2.3-rc4", "don't can't we'll I'm you're they'd it's DON'T WE'LL",
    "na\u00efve caf\u00e9 r\u00e9sum\u00e9 \u00c5ngstr\u00f6m", "e\u0301 a\u030a n\u0303 decomposed", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u6d4b\u8bd5\uff01", "\u3053\u3093\u306b\u3061\u306f \u30c6\u30b9\u30c8", "\uc548\ub155\ud558\uc138\uc694", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\U0001f600\U0001f680\U0001f468\u200d\U0001f469\u200d\U0001f467 emoji", "\u00bd \u00b2 \u2163 \uff11\uff12 \u0663", "zero\u200bwidth\u00a0nbsp\u3000ideographic\u2028line", "\ufb01 ligature \u2126 \u212b", "a\u0000b \u0001 \u007f", "\ufeffbom",
    "{[()]} <= >= == != && || -> => :: ;;; ... ,,, !!! ???", "`code` ```python\nx\n``` ~~~", "<html><body class=\"a\">&amp;</body></html>", "https://example.org/a?b=c&d=%20#e", "C:\\Users\\name\\file.txt", "/usr/local/bin:/bin",
    "SELECT * FROM t WHERE a = 'x''y';", "#include <stdio.h>\nint main(void) { return 0; }", "a" * 200, "ab " * 60, "\n" * 20, " " * 50, "MixedCaseCamelHTTPServer snake_case_name SCREAMING", "1+1=2;2*3=6", "\u2018quotes\u2019 \u201cdouble\u201d \u2014 dash \u2026", "x\u0302\u0323y", "\u1e9b\u0323",
]
MESSAGES = [
    [{"role": "user", "content": "hi"}], [{"role": "user", "content": "  spaces around  \n"}], [{"role": "user", "content": ""}],
    [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "def f():\n    pass"}],
    [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "\u4e09 caf\u00e9"}],
]


def ids_of(tok):
    texts = [{"text": t, "ids": tok(t, add_special_tokens=False).input_ids} for t in CORPUS]

    def chat(m):
        text = tok.apply_chat_template(m, tokenize=False, add_generation_prompt=True)
        return {"messages": m, "ids": tok(text, add_special_tokens=False).input_ids}

    return {"texts": texts, "chats": [chat(m) for m in MESSAGES]}


smollm2 = AutoTokenizer.from_pretrained(sys.argv[1])
as_found = ids_of(smollm2)
# Where SMOLLM2_DIR was made from a GGUF, transformers has lost the pre-tokeniser that the file names ("smollm"): digits stand apart.
smollm2.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
named = ids_of(smollm2)
for found, want in zip(as_found["texts"], named["texts"]):
    if found != want:
        print("other ids without the pre-tokeniser:", json.dumps(found["text"]))
(out / "smollm2.json").write_text(json.dumps(named))
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
bpe = Tokenizer(models.BPE())
bpe.normalizer = normalizers.NFC()
bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated", invert=False), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
bpe.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
bpe.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
bpe.train_from_iterator(CORPUS * 3, trainers.BpeTrainer(vocab_size=600, special_tokens=[], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
bpe.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])
bpe.add_tokens([AddedToken(t, special=False, normalized=False) for t in ["<tool_call>", "</tool_call>", "<|fim_prefix|>"]])
TEMPLATE = """{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
tok = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
tok.chat_template = TEMPLATE
folder = out / "qwen-layout"
folder.mkdir(exist_ok=True)
tok.save_pretrained(folder)
(out / "qwen-layout.json").write_text(json.dumps(ids_of(tok)))
