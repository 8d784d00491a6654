"""One run from settings to a report: wires the stages of the other rooms.

``identity`` says what decides a run, ``inputs`` has what it starts from, ``places`` says where that lies; ``run``
is the whole path, ``stages`` one part of it at a time; ``students`` makes and trains the student, ``results``
tells what came of it. ``limits`` and ``plan`` are what is asked before, ``scoring`` and ``judge`` after.
It must not know options, tables or trials.
"""
