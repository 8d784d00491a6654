"""The only room that imports nni or Lightning: the space, the strategy, the evaluator and what talks to NNI."""
