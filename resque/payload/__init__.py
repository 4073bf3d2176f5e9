"""The payload room, WHAT TRAVELS: bytes in, bytes out. No Redis, no clock, no job code; imports only resque.errors."""
