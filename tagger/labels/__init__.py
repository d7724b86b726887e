"""What labels there are: the vocabulary and its growing, views that answer, pairs of labels."""
