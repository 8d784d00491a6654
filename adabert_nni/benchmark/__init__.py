"""Benchmark: how fast models are beside each other, in one process and in turns.

``timing`` measures, ``peers`` is the one table of models to compare with, ``speedup`` compares one student for
its report and ``inference`` fills the whole table of sizes and formats.
"""
