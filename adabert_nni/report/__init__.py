"""Report: what was gained, measured and drawn.

``summary`` closes a run, ``plot`` draws the found cell, ``tables`` lays numbers out as text and ``card``
writes the student's model card. The room reads numbers and architectures; it trains nothing and imports
no stage.
"""
