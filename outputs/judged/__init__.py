"""What judges said of models' answers: means, differences, agreement, consistency, aspects."""
