"""What labels there are: the vocabulary, its groups, the views that answer for a group, and pairs
of labels."""
