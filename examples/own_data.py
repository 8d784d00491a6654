# %% [markdown]
"""From a csv to an ONNX file, in Python.

Runs whole in under a minute, without a network: rows and teacher are made here, and tiny, so the numbers mean
nothing. With your own rows give your file and a real teacher, such as `teacher="minilm-l6"`, and leave the short
epochs out. `docs/own-data.md` tells the same with the command line. The cells (`# %%`) open as a notebook in
VS Code, PyCharm or with jupytext; `python examples/own_data.py` runs them all in a new folder.
"""

# %%
import csv
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from adabert_nni import compress, evaluate, export, predict
from adabert_nni.data.embedded import generate

os.chdir(tempfile.mkdtemp(prefix="adabert-own-data-"))

# %% [markdown]
# ## The rows
#
# A csv with a header. Labels are text; one row in five has none, and the student learns from what the teacher says
# of it.

# %%
NAMES = ("negative", "positive")
made = generate("mini-reviews")["train"][:400]
with open("reviews.csv", "w", newline="", encoding="utf-8") as file:
    write = csv.writer(file).writerow
    write(["review", "opinion"])
    for number, ((text,), label) in enumerate(made):
        write([text, "" if number % 5 == 4 else NAMES[label]])

# %% [markdown]
# ## The teacher
#
# Any folder or name of a Hugging Face encoder. This one is untrained: 2 layers, 32 wide.

# %%
words = sorted({word for (text,), _ in made for word in text.split()})
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate([*special, *words])})
teacher = BertForSequenceClassification(
    BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
)
teacher.save_pretrained("tiny-teacher")
tokenizer.save_pretrained("tiny-teacher")

# %% [markdown]
# ## The search space
#
# Five ops, two nodes, at most two layers. `space="paper"` or `"small"` are those that ship with the package.

# %%
Path("space.yml").write_text(
    "ops: [std_conv_3, dil_conv_3, max_pool_3, skip_connect, zero]\n"
    "nodes: 2\nmax_depth: 2\ndim: 32\n"
)

# %% [markdown]
# ## Teacher, probes, search, student, report

# %%
metrics = compress(
    train="reviews.csv",
    text="review",
    label="opinion",
    teacher="tiny-teacher",
    teacher_epochs=1,
    teacher_lr=1e-3,
    max_length=32,
    space="space.yml",
    search_epochs=2,
    search_batch=32,
    alpha_warmup=1,  # half of the epochs: the depth must not be decided before the layers have learnt
    alpha_lr=0.02,
    weight_optimizer="adamw",
    weight_lr=3e-3,
    student_epochs=2,
    student_batch=32,
    student_lr=3e-3,
    repetitions=1,
    cache="cache",
    output="runs/reviews",
)
print(json.dumps({key: metrics[key] for key in ("teacher_accuracy", "student_accuracy", "depth")}))
print(sorted(path.name for path in Path("runs/reviews").iterdir()))  # open report.html

# %% [markdown]
# ## Ask it

# %%
student = "runs/reviews/student"
answers = predict(student, ["to me the film was not at all dull .", "a stale breakfast ."])
print(answers)
scores = evaluate(student)  # the validation rows of its own run
print(scores)

# %% [markdown]
# ## Deploy it
#
# The training rows tell which word pieces stay; the selection rows give int8 its ranges.

# %%
record = export(
    student,
    "onnx-int8",
    "runs/reviews/onnx",
    prune_vocabulary=True,
    train="reviews.csv",
    text="review",
    label="opinion",
)
print({key: record[key] for key in ("bytes", "student_bytes", "agreement", "largest_difference")})

# %% [markdown]
# What serves it needs onnxruntime, tokenizers and numpy only; `examples/serve_onnx.py` is the whole program.

# %%
from onnxruntime import InferenceSession  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

session = InferenceSession("runs/reviews/onnx/model.onnx", providers=["CPUExecutionProvider"])
reader = Tokenizer.from_file("runs/reviews/onnx/tokenizer.json")
row = reader.encode("to me the film was not at all dull .")
feed = {"input_ids": np.array([row.ids]), "attention_mask": np.array([row.attention_mask])}
(logits,) = session.run(None, feed)
found = NAMES[int(logits.argmax())]
print(found)
