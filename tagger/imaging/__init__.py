"""From a file's bytes to the network's input: the reader, its formats, and the workers that
strangers' bytes cannot hurt."""
