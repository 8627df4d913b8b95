"""One conversation: a sans-I/O state machine, and the few named threads that serve it."""
