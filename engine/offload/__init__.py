"""How one operation runs on an accelerator, and how its completion becomes a wake-up."""
