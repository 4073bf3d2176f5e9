"""The tests mirror the package: one test file for each source file.

May be in here: nothing; fixtures are in conftest.py, servers in servers.py, faults in fault_proxy.py.
"""
