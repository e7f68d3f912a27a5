"""Open load, models of cards, fleets in numbers, plans and sweeps."""
