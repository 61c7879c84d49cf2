"""What all work rests on: compiled code, cores, memory, progress, interruption."""
