"""What commands share: the configuration file, and the command that a card names."""
