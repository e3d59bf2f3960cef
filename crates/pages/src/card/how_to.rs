//! The part of a card that is copied and pasted: how to load what lies beside it.

use super::{Card, Form};

impl Card<'_> {
    pub(super) fn use_it(&self) -> String {
        let load = match (self.form, self.base) {
            (Form::Merged, _) => {
                "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n\
                 folder = \".\"  # this folder\n\
                 model = AutoModelForCausalLM.from_pretrained(folder)\n"
            }
            (Form::Adapter, Some(_)) => {
                "from peft import AutoPeftModelForCausalLM\n\
                 from transformers import AutoTokenizer\n\n\
                 folder = \".\"  # this folder\n\
                 model = AutoPeftModelForCausalLM.from_pretrained(folder)\n"
            }
            (Form::Adapter, None) => {
                "from peft import PeftModel\n\
                 from transformers import AutoModelForCausalLM, AutoTokenizer\n\n\
                 folder = \".\"  # this folder\n\
                 base = \"…\"  # the model that it was trained on, as a Hugging Face folder\n\
                 model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), \
                 folder)\n"
            }
        };
        let tokenizer = match (self.has_tokenizer, self.base) {
            (true, _) => "folder".to_owned(),
            (false, Some(base)) => format!("\"{base}\""),
            (false, None) => "base".to_owned(),
        };
        format!(
            "## Use\n\n```python\n{load}tokenizer = AutoTokenizer.from_pretrained({tokenizer})\n\
             ```\n\n{}{}",
            self.prompts(),
            self.other_software()
        )
    }

    fn prompts(&self) -> String {
        let chat = &self.report.config.model.chat;
        if chat.is_default() {
            return String::new();
        }
        // What the model was trained with is part of how it is to be asked.
        let json = serde_json::to_string_pretty(chat).unwrap_or_default();
        format!("It was trained with these settings of the prompt:\n\n```json\n{json}\n```\n\n")
    }

    fn other_software(&self) -> String {
        if self.form == Form::Merged {
            return "vLLM: `vllm serve .`; llama.cpp: convert_hf_to_gguf.py makes a GGUF of this \
                    folder.\n"
                .to_owned();
        }
        let base = self.base.unwrap_or("BASE");
        let rank = self.report.config.train.rank;
        format!(
            "vLLM: `vllm serve {base} --enable-lora --max-lora-rank {rank} --lora-modules \
             {}=.`; llama.cpp: `grokctl export {0} --out DIR --gguf-lora` writes DIR/lora.gguf, \
             for `llama-cli --model BASE.gguf --lora lora.gguf`.\n",
            self.report.config.name
        )
    }
}
