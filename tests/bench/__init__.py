"""The benchmarks: that they measure what they say, and the counts that must not grow."""
