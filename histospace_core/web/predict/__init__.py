"""The Predict page: a preview of the run."""
