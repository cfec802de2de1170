"""Slides, runs, models and evaluations, as lists to search."""
