"""A night in a search engine: documents, by picture or by product, and engines kept equal to it."""
