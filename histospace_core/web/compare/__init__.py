"""The Compare page: predicted and measured expression side by side."""
