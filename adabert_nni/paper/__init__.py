"""The paper's tables and its third figure, run again: which cells there are, how one is run, how all are shown.

``cells`` lists what a table is made of, ``run`` runs what is missing, ``render`` lays ours beside the paper's
figures, which are in ``figures``; ``recipes.yml`` holds the settings of each task, and ``baseline`` runs a method
that is compared with. The room wires; what is trained and measured is the business of the stages.
"""
