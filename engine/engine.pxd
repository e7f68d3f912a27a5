from engine.jobs.switching cimport switch
