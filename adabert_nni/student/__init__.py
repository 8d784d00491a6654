"""From an architecture to a finished student: derive, train, export. Knows no NNI."""
