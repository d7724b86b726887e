"""Labelled pictures: folders and tables, decoded once, split; and the drawn sample."""
