"""Python kernels: the processes that run the cells of `run_ipython_cell`."""
