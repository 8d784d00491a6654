"""Serve a student that ``adabert export --format onnx`` or ``onnx-int8`` has written.

It needs onnxruntime, tokenizers and numpy, nothing else:

    python examples/serve_onnx.py runs/first/student-onnx "a fine film ." "a dull one ."
    python examples/serve_onnx.py runs/pairs/student-onnx --pair "it rains ." "it is wet ."
    python examples/serve_onnx.py runs/first/student-onnx --port 8000
    curl -d '["a fine film .", "a dull one ."]' 127.0.0.1:8000
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer


class Classifier:
    """A student in ONNX: texts in, labels and probabilities, or values, out."""

    def __init__(self, folder: Path) -> None:
        """Read model, tokenizer and labels from the folder that ``adabert export`` wrote."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.labels = config["id2label"]
        self.session = InferenceSession(
            str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        self.columns = 1 if config.get("sep_token_id") is None else 2
        self.limit = config["max_position_embeddings"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(self.limit)
        self.tokenizer.enable_padding()

    def __call__(self, texts: list) -> list[dict]:
        """Classify texts, or pairs of texts: a label and its probability each; ValueError if they are neither."""
        if not texts:
            return []
        rows = self.tokenizer.encode_batch([self._row(given) for given in texts])
        ids, mask = (
            np.array([getattr(row, name) for row in rows]) for name in ("ids", "attention_mask")
        )
        (logits,) = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
        if len(self.labels) == 1:  # regression
            return [{"value": float(value)} for (value,) in logits]
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        return [{"label": self.labels[str(s.argmax())], "score": float(s.max())} for s in shares]

    def _row(self, given: str | list[str]) -> str | tuple[str, str]:
        row = [given] if isinstance(given, str) else given
        if not isinstance(row, list) or [type(text) for text in row] != [str] * self.columns:
            wanted = "texts" if self.columns == 1 else "pairs such as ['first', 'second']"
            raise ValueError(f"got {given!r}, and the student takes {wanted}")
        first, *second = map(self._shortened, row)
        return (first, *second) if second else first

    def _shortened(self, text: str) -> str:
        """No more of a text than is read: of a pair the tokenizer keeps all combinations of what it cuts off."""
        text = text[: 200 * self.limit]
        pieces = self.tokenizer.encode(text, add_special_tokens=False)
        return text[: pieces.offsets[-1][1]] if pieces.overflowing else text


def serve(classify: Classifier, port: int) -> None:
    """Answer POST requests whose body is a JSON list of texts, on this machine only, until Ctrl-C."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Classify the list in the body."""
            try:
                texts = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                if not isinstance(texts, list):
                    raise TypeError(f"got {type(texts).__name__}")
                status, answer = 200, classify(texts)
            except (ValueError, TypeError) as error:
                status, answer = 400, {"error": f"send a JSON list of texts ({error})"}
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what adabert export has written")
    parser.add_argument("texts", nargs="*")
    parser.add_argument("--pair", action="store_true", help="the two texts are one pair")
    parser.add_argument("--port", type=int, help="serve over HTTP instead")
    args = parser.parse_intermixed_args()
    classifier = Classifier(args.folder)
    if args.port is not None:
        serve(classifier, args.port)
    else:
        try:
            answers = classifier([args.texts] if args.pair else args.texts)
        except ValueError as error:
            parser.error(str(error))
        for found in answers:
            print(json.dumps(found))
