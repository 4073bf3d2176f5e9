"""What time does: dead workers, lists without a lease, old entries. Each file one duty; scheduler.py lists them."""
