"""Compare: predicted and measured expression side by side."""
