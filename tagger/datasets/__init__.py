"""Labelled pictures: folders and tables, decoded once, split by near-duplicates; and the drawn
sample."""
