"""Many runs: which there are, what they take, how they are computed, how far they are."""
