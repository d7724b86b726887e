"""What answers are worth: metrics, verdict, gate, label errors, plots."""
