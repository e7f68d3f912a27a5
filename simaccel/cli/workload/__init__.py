"""The main job, `simaccel run`: what is to be done, doing it, checking every result, and the measurements."""
