"""What a run can train, one kind of learner per file."""
