"""The server's processes: started and ended without leaving anything behind, and watched from outside."""
