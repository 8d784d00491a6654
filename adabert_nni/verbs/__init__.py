"""What each word of ``adabert <verb>`` does, one module a theme.

A verb takes parsed options and returns the text to show, or lines as they come; ``commands`` has the table of
verbs and prints. Stages are imported when a verb runs, so that a wrong option is refused at once.
"""
