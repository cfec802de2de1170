"""Predict: what a run would do, before it starts."""
