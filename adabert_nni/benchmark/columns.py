"""The columns of the benchmarks' tables: key of a row, and what stands above it."""

COLUMNS = {
    "model": "model",
    "backend": "backend",
    "batch": "batch",
    "length": "length",
    "params": "parameters",
    "bytes": "on disk",
    "ms": "ms",
    "texts_per_s": "texts/s",
    "speedup_vs_bert_base": "x BERT-base",
    "speedup_vs_bert_base_same_backend": "x it in this backend",
    "gflop_per_s": "GFLOP/s",
    "share_of_peak": "of the peak",
    "floor_ms": "floor, ms",
}
SEARCH_COLUMNS = {
    "model": "step of",
    "backend": "backend",
    "batch": "batch",
    "length": "length",
    "max_depth": "K_max",
    "ms": "ms",
    "worst_ms": "ms at K_max",
    "megabytes": "MB",
    "speedup_vs_nni": "x NNI",
    "speedup_per_pass": "x one pass of it",
    "worst_speedup_vs_nni": "x NNI at K_max",
    "memory_vs_nni": "of its memory",
    "share_of_peak": "of the peak",
    "floor_ms": "floor, ms",
}
GROWTH_COLUMNS = {
    **{"model": "step of", "of": "larger", "from": "from", "to": "to"},
    **{"ms": "x ms", "peak_bytes": "x memory"},
}
