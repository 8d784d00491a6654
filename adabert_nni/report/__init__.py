"""Report: what was gained, measured and drawn.

``benchmark`` times models side by side, ``plot`` draws the found cell, ``tables`` lays numbers out
as text and ``card`` writes the student's model card. The room reads numbers and architectures; it
trains nothing and imports no stage.
"""
