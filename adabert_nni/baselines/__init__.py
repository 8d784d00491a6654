"""Baselines: what the paper compares with, trained from the same teacher on the same rows.

``build`` starts each from the teacher, ``losses`` says what it minimises, ``table`` is the one table of them,
``train`` trains and ``store`` saves one. Their own method asks for the teacher's hidden states, so here,
unlike in a search or a student's training, the frozen teacher runs beside the student. The room must not
know how a teacher was made, of searches, or of how a table of results is laid out.
"""
