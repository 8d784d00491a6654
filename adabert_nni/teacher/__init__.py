"""The teacher: found, fine-tuned, and turned into a table of what each of its layers believes.

It must not know of searches or students; they meet it only through its folder and its table.
"""
