"""The nouns: what an architecture, an op, a cell and a student model are. Knows torch and transformers only.

Imports inside this folder are relative and flat, because an exported student carries a copy of it.
"""
