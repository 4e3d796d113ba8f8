"""ICE: does a model, asked in many guises who made it, contradict the facts of its maker."""
