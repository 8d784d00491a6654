"""Everything between a data set and a batch: tasks, rows, splits, tokens.

It must not know of teachers, students, searches or NNI; stages import it, it imports no stage.
"""
