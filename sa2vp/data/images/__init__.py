"""Image files: found by name, decoded, resized, kept in a cache or streamed, put into batches."""
