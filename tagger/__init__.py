"""A fashion-catalog tagger: train a multi-label network, tag a catalog every night, query
Parquet."""

__version__ = "0.1.0"
