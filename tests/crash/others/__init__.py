"""Lives that write the records that no other life writes: of platforms that hang up, of schedules, of calls that ask
models."""
