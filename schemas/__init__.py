"""Declarations only: what is written to disk or to standard output, field by field."""
