"""Conversations as `transformers` writes and tokenizes them with the templates of well-known chat models.

usage: chat_templates.py FOLDER
FOLDER is one that hugging_face_tokenizers.py wrote. Writes FOLDER/chats.json: a list of {"name", "tokenizer",
"template", "messages", "prompt", "text", "ids"}; "text" is null where the template refuses the conversation.
Llama 3.1's template is shortened: what it does with tools is left out.
"""

import json
import pathlib
import sys

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerFast

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
    "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA3_TURNS = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
)
LLAMA3_FIRST = LLAMA3_TURNS + "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
LLAMA3 = (
    LLAMA3_TURNS
    + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'"
    " + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATML_SYSTEM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
MISTRAL_SYSTEM = """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token}}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported') }}
    {%- endif %}
{%- endfor %}
"""
ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
CASES = [
    ("llama2", "llama2", LLAMA2), ("llama3", "llama3", LLAMA3),
    ("llama3-first", "llama3", LLAMA3_FIRST), ("llama31", "llama3", LLAMA31), ("chatml", "digits", CHATML),
    ("chatml-system", "digits", CHATML_SYSTEM), ("mistral", "mistral", MISTRAL),
    ("mistral-space", "mistral", MISTRAL.replace("eos_token}}", "eos_token + ' ' }}")),
    ("mistral-system", "mistral", MISTRAL_SYSTEM), ("zephyr", "llama2", ZEPHYR),
]
S, U, A = "system", "user", "assistant"
CHATS = [
    [(U, "A man in a blue shirt")],
    [(S, "Be brief."), (U, "What is a prompt?")],
    [(S, "  Two people \n"), (U, "\n are outside "), (A, " Yes.\n"), (U, "größe 日本語 🙂 don't\x1c")],
    [(U, "a"), (A, "b"), (U, "c"), (A, "d")],
    [(S, "only"), (U, "   ")],
    [(U, "a"), (U, "b")],
    [(U, "a"), (S, "late")],
    [(A, "first"), (U, "")],
]


def main():
    folder = pathlib.Path(sys.argv[1])
    result = []
    for name, kind, template in CASES:
        settings = json.loads((folder / kind / "tokenizer_config.json").read_text())
        marks = {k: v if isinstance(v, str) else v["content"] for k, v in settings.items() if k.endswith("s_token")}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / kind / "tokenizer.json"), **marks)
        for chat in CHATS:
            messages = [{"role": role, "content": content} for role, content in chat]
            for prompt in [True, False]:
                case = {"name": name, "tokenizer": kind, "template": template, "messages": messages, "prompt": prompt}
                arguments = {"chat_template": template, "add_generation_prompt": prompt}
                try:
                    case["text"] = tokenizer.apply_chat_template(messages, tokenize=False, **arguments)
                    case["ids"] = tokenizer.apply_chat_template(messages, return_dict=False, **arguments)
                except TemplateError:
                    pass
                result.append(case)
    (folder / "chats.json").write_text(json.dumps(result))


main()
