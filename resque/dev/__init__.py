"""For development only: the embedded server, the reloading worker, the demo and the torture.

May be in here: what a developer runs on their own machine. May not: anything that a worker in production needs.
"""
