"""Where both halves meet: the array agent on the pins, drivers, simulators and lockstep training."""
