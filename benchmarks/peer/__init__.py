"""The same poll function, made with the official SDKs: what taskhook's is measured against. Never deployed."""
