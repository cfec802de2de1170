"""Characterise: domains, markers and signatures of a run."""
