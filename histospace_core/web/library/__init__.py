"""Searchable lists of slides, runs, models and evaluations."""
