"""What answers are worth: metrics, the verdict on a first model, the gate for a retrained one,
label errors, plots."""
