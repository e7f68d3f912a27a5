"""Mixed load for as long as one likes: nothing lost, nothing left, memory flat."""
