"""What the results of a study say: points, fronts, intervals, tests. Nothing is drawn here."""
