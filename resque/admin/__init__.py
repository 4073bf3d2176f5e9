"""What an operator sees and does: queues, failures, workers, numbers. The terminal and the web page only show it."""
