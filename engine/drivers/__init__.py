"""What resumes paused jobs: the scheduler and the asyncio loop, and what they wait for."""
