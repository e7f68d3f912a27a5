"""Tests of the engine: jobs, the engine on real and hand-moved accelerators, the scheduler, asyncio."""
