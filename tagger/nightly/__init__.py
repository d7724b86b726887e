"""A night's work on an index: score, rescore, publish, and what refuses to."""
