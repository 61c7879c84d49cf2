"""All compiled code: the cache hangs on this folder alone."""
