"""Compare a prediction with measured expression, or two predictions with each other."""
