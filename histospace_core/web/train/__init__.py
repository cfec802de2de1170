"""The Train page: a cohort, its checks, and the results of training on it."""
