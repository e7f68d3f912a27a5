"""Several devices as one: which of them takes a request."""
